from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.store import VARIANT, check_tidy, current, key_of, listed, put, record_of, tiny_wheel
from wheelfarm.errors import WheelError, WheelhouseError
from wheelfarm.model import Name, Target
from wheelfarm.system.files import sha256_of_file

if TYPE_CHECKING:
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


class TestStore:
    def test_a_stored_wheel_is_whole_and_listed(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        wheel = tiny_wheel(tmp_path)
        stored = put(wheelhouse, wheel, "one")
        assert stored.path == wheelhouse.root / VARIANT / "wheels" / stored.sha256[:16] / wheel.name
        assert (stored.name, stored.version, stored.variant) == ("demo", "1.0", VARIANT)
        assert stored.path.read_bytes() == wheel.read_bytes()
        assert Path(f"{stored.path}.metadata").read_bytes().startswith(b"Metadata-Version: ")
        assert wheelhouse.record(VARIANT, stored.key) == record_of(wheel)
        assert current(wheelhouse) == [stored]
        assert wheelhouse.find(VARIANT, stored.key) == stored
        check_tidy(wheelhouse.root)

    def test_the_page_for_programs(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        stored = put(wheelhouse, tiny_wheel(tmp_path, version="1.0+cpu"), "one")
        os.utime(stored.path, (0, 0))
        wheelhouse.activate(VARIANT, stored.key)
        page = json.loads((wheelhouse.root / VARIANT / "simple/demo/index.json").read_text())
        metadata = {"sha256": sha256_of_file(Path(f"{stored.path}.metadata"))}
        filename = "demo-1.0+cpu-py3-none-any.whl"
        assert page == {
            "meta": {"api-version": "1.1"},
            "name": "demo",
            "versions": ["1.0+cpu"],
            "files": [
                {
                    "filename": filename,
                    "url": f"../../wheels/{stored.sha256[:16]}/demo-1.0%2Bcpu-py3-none-any.whl",
                    "hashes": {"sha256": stored.sha256},
                    "size": stored.path.stat().st_size,
                    "upload-time": "1970-01-01T00:00:00Z",
                    "requires-python": ">=3.9, <4",
                    "core-metadata": metadata,
                    "dist-info-metadata": metadata,
                    "_wheelfarm": {"key": stored.key, "path": f"wheels/{stored.sha256[:16]}/{filename}"},
                }
            ],
        }

    def test_a_record_is_stored_unchanged(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        wheel = tiny_wheel(tmp_path)
        text = record_of(wheel) + "\n\n"
        wheelhouse.store(wheel, sha256=sha256_of_file(wheel), variant=VARIANT, key=key_of("one"), record=text)
        assert wheelhouse.record(VARIANT, key_of("one")) == text

    def test_other_bytes_of_the_same_name_become_current_and_the_old_ones_stay(
        self, wheelhouse: Wheelhouse, tmp_path: Path
    ) -> None:
        old = put(wheelhouse, tiny_wheel(tmp_path / "a", content="old"), "old")
        new = put(wheelhouse, tiny_wheel(tmp_path / "b", content="new"), "new")
        assert current(wheelhouse) == [new]
        assert wheelhouse.find(VARIANT, old.key, verify=True) == old
        inode = old.path.stat().st_ino
        assert wheelhouse.activate(VARIANT, old.key) == old
        assert current(wheelhouse) == [old]
        assert put(wheelhouse, tiny_wheel(tmp_path / "b", content="new"), "new") == new
        assert put(wheelhouse, tiny_wheel(tmp_path / "a", content="old"), "old") == old
        assert old.path.stat().st_ino == inode
        check_tidy(wheelhouse.root)

    @pytest.mark.parametrize(
        ("old_platform", "new_platform"),
        [
            ("manylinux_2_36_x86_64", "manylinux_2_28_x86_64"),
            ("manylinux_2_28_x86_64", "manylinux2014_x86_64.manylinux_2_17_x86_64"),
            ("linux_x86_64", "manylinux_2_28_x86_64"),
            ("musllinux_1_2_aarch64", "musllinux_1_1_aarch64"),
            ("macosx_14_0_arm64", "macosx_11_0_arm64"),
        ],
    )
    def test_a_rebuild_of_another_level_becomes_current_and_the_old_one_stays_until_collected(
        self, wheelhouse: Wheelhouse, tmp_path: Path, old_platform: str, new_platform: str
    ) -> None:
        old = put(wheelhouse, tiny_wheel(tmp_path, tag=f"cp311-cp311-{old_platform}"), "old")
        new = put(wheelhouse, tiny_wheel(tmp_path, tag=f"cp311-cp311-{new_platform}"), "new")
        assert current(wheelhouse) == [new]
        assert wheelhouse.find(VARIANT, old.key, verify=True) == old
        assert wheelhouse.activate(VARIANT, old.key) == old
        assert current(wheelhouse) == [old]
        wheelhouse.activate(VARIANT, new.key)
        check_tidy(wheelhouse.root)
        wheelhouse.collect_garbage(VARIANT, [])
        assert current(wheelhouse) == [new]
        assert not old.path.exists()
        assert wheelhouse.find(VARIANT, old.key) is None

    @pytest.mark.parametrize(
        ("version", "tag"),
        [
            ("1.0", "cp311-cp311-manylinux_2_28_aarch64"),
            ("1.0", "cp311-cp311-musllinux_1_2_x86_64"),
            ("1.0", "cp311-cp311-macosx_11_0_x86_64"),
            ("1.0", "cp311-cp311-win_amd64"),
            ("1.0", "cp312-cp312-manylinux_2_28_x86_64"),
            ("1.0", "cp311-abi3-manylinux_2_28_x86_64"),
            ("1.0", "py3-none-any"),
            ("1.0+cpu", "cp311-cp311-manylinux_2_28_x86_64"),
            ("1.1", "cp311-cp311-manylinux_2_28_x86_64"),
        ],
    )
    def test_a_wheel_for_something_else_stays_listed(
        self, wheelhouse: Wheelhouse, tmp_path: Path, version: str, tag: str
    ) -> None:
        first = put(wheelhouse, tiny_wheel(tmp_path, tag="cp311-cp311-manylinux_2_36_x86_64"), "first")
        second = put(wheelhouse, tiny_wheel(tmp_path, version=version, tag=tag), "second")
        assert {wheel.key for wheel in current(wheelhouse)} == {first.key, second.key}

    def test_versions_are_listed_in_their_order(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        for version in ("1.10", "1.9", "1.9rc1"):
            put(wheelhouse, tiny_wheel(tmp_path, version=version), version)
        assert [wheel.version for wheel in current(wheelhouse)] == ["1.9rc1", "1.9", "1.10"]

    def test_only_the_projects_own_pages_are_read_and_written(
        self, wheelhouse: Wheelhouse, tmp_path: Path
    ) -> None:
        put(wheelhouse, tiny_wheel(tmp_path, "demo"), "demo")
        put(wheelhouse, tiny_wheel(tmp_path, "other"), "other")
        simple = wheelhouse.root / VARIANT / "simple"
        others = [path for path in simple.rglob("index.*") if path.parent.name != "demo"]
        for page in others:
            page.write_text("neither read nor written")
        put(wheelhouse, tiny_wheel(tmp_path, "demo", "2.0"), "demo 2")
        assert {page.read_text() for page in others} == {"neither read nor written"}
        assert len(current(wheelhouse)) == 2

    @pytest.mark.parametrize(
        "page", [None, "", "[]", "{}", '{"projects": 1}', '{"projects": [1]}', '{"projects": [{}]}']
    )
    def test_a_new_project_lists_all_on_the_first_page_also_where_that_was_damaged(
        self, wheelhouse: Wheelhouse, tmp_path: Path, page: str | None
    ) -> None:
        for name in ("demo", "other"):
            put(wheelhouse, tiny_wheel(tmp_path, name), name)
        simple = wheelhouse.root / VARIANT / "simple"
        if page is None:
            (simple / "index.json").unlink()
        else:
            (simple / "index.json").write_text(page)
        put(wheelhouse, tiny_wheel(tmp_path, "new"), "new")
        listed_projects = json.loads((simple / "index.json").read_text())["projects"]
        assert [each["name"] for each in listed_projects] == ["demo", "new", "other"]
        check_tidy(wheelhouse.root)

    def test_a_wheel_that_changed_after_it_was_hashed_is_refused(
        self, wheelhouse: Wheelhouse, tmp_path: Path
    ) -> None:
        wheel = tiny_wheel(tmp_path)
        sha256, record = sha256_of_file(wheel), record_of(wheel)
        changed = bytearray(wheel.read_bytes())
        changed[10] ^= 1  # a bit of the first member's time: still a whole zip of this size
        wheel.write_bytes(changed)
        with pytest.raises(WheelhouseError, match="not the wheel that was hashed"):
            wheelhouse.store(wheel, sha256=sha256, variant=VARIANT, key=key_of("one"), record=record)
        assert not list(wheelhouse.root.rglob("*.whl"))
        assert not list(wheelhouse.root.rglob(".tmp-*"))
        assert wheelhouse.find(VARIANT, key_of("one")) is None

    @pytest.mark.parametrize(
        "change", [{"size": 1}, {"sha256": "0" * 64}, {"filename": "demo-2.0-py3-none-any.whl"}]
    )
    def test_a_record_of_another_wheel_is_refused(
        self, wheelhouse: Wheelhouse, tmp_path: Path, change: dict[str, object]
    ) -> None:
        wheel = tiny_wheel(tmp_path)
        with pytest.raises(WheelhouseError, match="describes another wheel"):
            wheelhouse.store(
                wheel,
                sha256=sha256_of_file(wheel),
                variant=VARIANT,
                key=key_of("one"),
                record=record_of(wheel, **change),
            )
        assert not wheelhouse.root.exists()

    @pytest.mark.parametrize(
        "record",
        [
            "not json",
            "[]",
            "{}",
            {"wheel": None},
            {"wheel": {"filename": "demo-1.0-py3-none-any.whl", "sha256": "x", "size": 1}},
            {"wheel": {"filename": "demo-1.0-py3-none-any.whl", "sha256": "0" * 64, "size": "big"}},
            {"wheel": {"filename": "demo-1.0-1/../x-py3-none-any.whl", "sha256": "0" * 64, "size": 1}},
            {"wheel": {"filename": "demo.zip", "sha256": "0" * 64, "size": 1}},
        ],
    )
    def test_a_record_without_a_wheel_is_refused(
        self, wheelhouse: Wheelhouse, tmp_path: Path, record: object
    ) -> None:
        wheel, text = tiny_wheel(tmp_path), record if isinstance(record, str) else json.dumps(record)
        with pytest.raises(WheelhouseError, match="does not describe a wheel"):
            wheelhouse.store(
                wheel, sha256=sha256_of_file(wheel), variant=VARIANT, key=key_of("one"), record=text
            )

    def test_a_file_that_is_no_zip_is_refused(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        wheel = tmp_path / "demo-1.0-py3-none-any.whl"
        wheel.write_bytes(b"not a zip")
        with pytest.raises(WheelError, match="not a zip file"):
            put(wheelhouse, wheel, "one")

    @pytest.mark.parametrize(
        "members", [[], ["a-1.dist-info/METADATA", "b-1.dist-info/METADATA"], ["x/a.dist-info/METADATA"]]
    )
    def test_a_wheel_has_one_metadata_file(
        self, wheelhouse: Wheelhouse, tmp_path: Path, members: list[str]
    ) -> None:
        wheel = tmp_path / "demo-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for member in members:
                archive.writestr(member, "")
        with pytest.raises(WheelError, match="must hold one METADATA"):
            put(wheelhouse, wheel, "one")

    def test_a_missing_wheel_is_an_error(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        wheel = tiny_wheel(tmp_path)
        record, sha256 = record_of(wheel), sha256_of_file(wheel)
        wheel.unlink()
        with pytest.raises(WheelhouseError, match="No such file"):
            wheelhouse.store(wheel, sha256=sha256, variant=VARIANT, key=key_of("one"), record=record)

    def test_without_requires_python_the_pages_say_nothing(
        self, wheelhouse: Wheelhouse, tmp_path: Path
    ) -> None:
        wheel = tmp_path / "demo-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(
                "demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
            )
        put(wheelhouse, wheel, "one")
        for page in (wheelhouse.root / VARIANT / "simple/demo").iterdir():
            assert "requires-python" not in page.read_text()

    @pytest.mark.parametrize("variant", ["", "..", "a/b", ".hidden", "/etc"])
    def test_a_variant_is_one_directory(self, wheelhouse: Wheelhouse, tmp_path: Path, variant: str) -> None:
        with pytest.raises(WheelhouseError, match="cannot be a variant"):
            put(wheelhouse, tiny_wheel(tmp_path), "one", variant)

    def test_variants_are_apart(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        put(wheelhouse, tiny_wheel(tmp_path), "one", "openblas")
        put(wheelhouse, tiny_wheel(tmp_path), "one", "reference")
        (wheelhouse.root / "notes").mkdir()
        assert wheelhouse.variants() == ["openblas", "reference"]
        assert wheelhouse.find("accelerate", key_of("one")) is None


class TestFind:
    def test_an_unknown_key_logs_nothing(self, wheelhouse: Wheelhouse, messages: list[str]) -> None:
        assert wheelhouse.find(VARIANT, key_of("none")) is None
        assert messages == []

    @pytest.mark.parametrize(
        ("pattern", "content", "message"),
        [
            ("records/*.json", b"\xff{", "the record does not describe a wheel"),
            ("wheels/*/*.whl", None, "is missing"),
            ("wheels/*/*.whl", b"short", "it has 5 bytes instead of"),
        ],
    )
    def test_damage_is_logged(
        self,
        wheelhouse: Wheelhouse,
        tmp_path: Path,
        messages: list[str],
        *,
        pattern: str,
        content: bytes | None,
        message: str,
    ) -> None:
        stored = put(wheelhouse, tiny_wheel(tmp_path), "one")
        (path,) = (wheelhouse.root / VARIANT).glob(pattern)
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        assert wheelhouse.find(VARIANT, stored.key) is None
        assert message in messages[0]

    def test_other_bytes_are_found_when_verified(
        self, wheelhouse: Wheelhouse, tmp_path: Path, messages: list[str]
    ) -> None:
        stored = put(wheelhouse, tiny_wheel(tmp_path), "one")
        stored.path.write_bytes(b"x" * stored.path.stat().st_size)
        assert wheelhouse.find(VARIANT, stored.key) == stored
        assert wheelhouse.find(VARIANT, stored.key, verify=True) is None
        assert "sha256 is not the recorded one" in messages[0]

    def test_storing_again_heals_a_damaged_wheel(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        wheel = tiny_wheel(tmp_path)
        stored = put(wheelhouse, wheel, "one")
        stored.path.write_bytes(b"x")
        put(wheelhouse, wheel, "one")
        assert wheelhouse.find(VARIANT, stored.key, verify=True) == stored

    def test_a_missing_record_has_no_text(self, wheelhouse: Wheelhouse) -> None:
        with pytest.raises(WheelhouseError, match="No such file"):
            wheelhouse.record(VARIANT, key_of("none"))


class TestActivate:
    def test_it_lists_again_what_the_index_lost(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        stored = put(wheelhouse, tiny_wheel(tmp_path), "one")
        pages = {page: page.read_bytes() for page in (wheelhouse.root / VARIANT / "simple").rglob("*.*")}
        for page in pages:
            page.unlink()
        Path(f"{stored.path}.metadata").unlink()
        assert current(wheelhouse) == []
        assert wheelhouse.activate(VARIANT, stored.key) == stored
        assert {page: page.read_bytes() for page in pages} == pages
        check_tidy(wheelhouse.root)

    def test_it_writes_nothing_that_is_right_already(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        stored = put(wheelhouse, tiny_wheel(tmp_path), "one")
        before = {path: path.stat().st_ino for path in wheelhouse.root.rglob("*.*")}
        wheelhouse.activate(VARIANT, stored.key)
        assert {path: path.stat().st_ino for path in wheelhouse.root.rglob("*.*")} == before

    def test_it_refuses_a_damaged_wheel(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        stored = put(wheelhouse, tiny_wheel(tmp_path), "one")
        stored.path.write_bytes(b"x" * stored.path.stat().st_size)
        with pytest.raises(WheelhouseError, match="is damaged"):
            wheelhouse.activate(VARIANT, stored.key)

    def test_it_refuses_an_unknown_key(self, wheelhouse: Wheelhouse) -> None:
        with pytest.raises(WheelhouseError, match="No such file"):
            wheelhouse.activate(VARIANT, key_of("none"))


class TestListing:
    def test_current_can_be_narrowed(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        for version in ("1.0", "2.0"):
            for tag in ("cp312-cp312-manylinux_2_28_x86_64", "cp313-cp313-manylinux_2_28_x86_64"):
                put(wheelhouse, tiny_wheel(tmp_path, version=version, tag=tag), version + tag)
        target = Target.parse("cp313-manylinux_x86_64")
        assert len(current(wheelhouse)) == 4
        assert {wheel.version for wheel in wheelhouse.current(VARIANT, Name("demo"), version="2")} == {"2.0"}
        (only,) = wheelhouse.current(VARIANT, Name("demo"), version="1.0", target=target)
        assert only.path.name == "demo-1.0-cp313-cp313-manylinux_2_28_x86_64.whl"

    def test_entries_are_those_of_all_projects(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        for name in ("zeta", "alpha"):
            put(wheelhouse, tiny_wheel(tmp_path, name), name)
        assert wheelhouse.projects(VARIANT) == ["alpha", "zeta"]
        assert [file.filename for file in listed(wheelhouse)] == [
            "alpha-1.0-py3-none-any.whl",
            "zeta-1.0-py3-none-any.whl",
        ]
        assert listed(wheelhouse, "reference") == []

    @pytest.mark.parametrize(
        "page", ["", "[]", '{"files": [{}]}', '{"files": [{"filename": "x"}]}', '{"files": 1}']
    )
    def test_a_damaged_page_is_named_and_healed_by_removing_it(
        self, wheelhouse: Wheelhouse, tmp_path: Path, page: str
    ) -> None:
        stored = put(wheelhouse, tiny_wheel(tmp_path), "one")
        project_index = wheelhouse.root / VARIANT / "simple/demo/index.json"
        project_index.write_text(page)
        for broken in (
            lambda: current(wheelhouse),
            lambda: listed(wheelhouse),
            lambda: put(wheelhouse, tiny_wheel(tmp_path, version="2.0"), "two"),
            lambda: wheelhouse.collect_garbage(VARIANT, []),
        ):
            with pytest.raises(WheelhouseError, match="page of demo is damaged") as caught:
                broken()
            assert caught.value.where == str(project_index)
        assert stored.path.exists()
        project_index.unlink()
        wheelhouse.activate(VARIANT, stored.key)
        check_tidy(wheelhouse.root)
