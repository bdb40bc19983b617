from __future__ import annotations

import errno
import json
import os
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.store import VARIANT, check_tidy, key_of, put, record_of, tiny_wheel
from wheelfarm.errors import WheelError, WheelhouseError
from wheelfarm.model import Name, Target
from wheelfarm.wheelhouse import Wheelhouse, write_atomically
from wheelfarm.wheelhouse.atomic import digest_of, explained, flush_directory
from wheelfarm.wheelhouse.lock import HOLDER, Lock

if TYPE_CHECKING:
    from wheelfarm.model import StoredWheel

DEMO = Name("demo")


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def house(tmp_path: Path, told: list[str]) -> Wheelhouse:
    return Wheelhouse(tmp_path / "house", tell=told.append, timeout=5)


def current(house: Wheelhouse, **narrower: object) -> list[StoredWheel]:
    return list(house.current(VARIANT, DEMO, **narrower))  # type: ignore[arg-type]


class TestStore:
    def test_a_stored_wheel_is_whole_and_listed(self, house: Wheelhouse, tmp_path: Path) -> None:
        wheel = tiny_wheel(tmp_path)
        stored = put(house, wheel, "one")
        assert stored.path == house.root / VARIANT / "wheels" / stored.sha256[:16] / wheel.name
        assert (stored.name, stored.version, stored.variant) == ("demo", "1.0", VARIANT)
        assert stored.path.read_bytes() == wheel.read_bytes()
        assert Path(f"{stored.path}.metadata").read_bytes().startswith(b"Metadata-Version: 2.1\n")
        assert json.loads(house.record(VARIANT, stored.key)) == record_of(wheel)
        assert current(house) == [stored]
        assert house.find(VARIANT, stored.key) == stored
        check_tidy(house.root)

    def test_the_page_for_programs(self, house: Wheelhouse, tmp_path: Path) -> None:
        stored = put(house, tiny_wheel(tmp_path, version="1.0+cpu"), "one")
        os.utime(stored.path, (0, 0))
        house.point(VARIANT, stored.key)
        page = json.loads((house.root / VARIANT / "simple/demo/index.json").read_text())
        metadata = {"sha256": digest_of(Path(f"{stored.path}.metadata"))}
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

    def test_a_record_may_be_text(self, house: Wheelhouse, tmp_path: Path) -> None:
        wheel = tiny_wheel(tmp_path)
        text = json.dumps(record_of(wheel)) + "\n\n"
        house.store(wheel, sha256=digest_of(wheel), variant=VARIANT, key=key_of("one"), record=text)
        assert house.record(VARIANT, key_of("one")) == text

    def test_other_bytes_of_the_same_name_become_current_and_the_old_ones_stay(
        self, house: Wheelhouse, tmp_path: Path
    ) -> None:
        old = put(house, tiny_wheel(tmp_path / "a", content="old"), "old")
        new = put(house, tiny_wheel(tmp_path / "b", content="new"), "new")
        assert current(house) == [new]
        assert house.find(VARIANT, old.key, verify=True) == old
        inode = old.path.stat().st_ino
        assert house.point(VARIANT, old.key) == old
        assert current(house) == [old]
        assert put(house, tiny_wheel(tmp_path / "b", content="new"), "new") == new
        assert put(house, tiny_wheel(tmp_path / "a", content="old"), "old") == old
        assert old.path.stat().st_ino == inode
        check_tidy(house.root)

    def test_versions_are_listed_in_their_order(self, house: Wheelhouse, tmp_path: Path) -> None:
        for version in ("1.10", "1.9", "1.9rc1"):
            put(house, tiny_wheel(tmp_path, version=version), version)
        assert [wheel.version for wheel in current(house)] == ["1.9rc1", "1.9", "1.10"]

    def test_only_the_projects_own_pages_are_read_and_written(
        self, house: Wheelhouse, tmp_path: Path
    ) -> None:
        put(house, tiny_wheel(tmp_path, "demo"), "demo")
        put(house, tiny_wheel(tmp_path, "other"), "other")
        simple = house.root / VARIANT / "simple"
        others = [path for path in simple.rglob("index.*") if path.parent.name != "demo"]
        for page in others:
            page.write_text("neither read nor written")
        put(house, tiny_wheel(tmp_path, "demo", "2.0"), "demo 2")
        assert {page.read_text() for page in others} == {"neither read nor written"}
        assert len(current(house)) == 2

    def test_a_wheel_that_changed_after_it_was_hashed_is_refused(
        self, house: Wheelhouse, tmp_path: Path
    ) -> None:
        wheel = tiny_wheel(tmp_path, content="good")
        sha256, record = digest_of(wheel), record_of(wheel)
        tiny_wheel(tmp_path, content="evil")
        with pytest.raises(WheelhouseError, match="not the wheel that was hashed"):
            house.store(wheel, sha256=sha256, variant=VARIANT, key=key_of("one"), record=record)
        assert not list(house.root.rglob("*.whl"))
        assert not list(house.root.rglob(".tmp-*"))
        assert house.find(VARIANT, key_of("one")) is None

    @pytest.mark.parametrize(
        "change", [{"size": 1}, {"sha256": "0" * 64}, {"filename": "demo-2.0-py3-none-any.whl"}]
    )
    def test_a_record_of_another_wheel_is_refused(
        self, house: Wheelhouse, tmp_path: Path, change: dict[str, object]
    ) -> None:
        wheel = tiny_wheel(tmp_path)
        described = record_of(wheel)["wheel"]
        assert isinstance(described, dict)
        with pytest.raises(WheelhouseError, match="describes another wheel"):
            house.store(
                wheel,
                sha256=digest_of(wheel),
                variant=VARIANT,
                key=key_of("one"),
                record={"wheel": described | change},
            )
        assert not house.root.exists()

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
        self, house: Wheelhouse, tmp_path: Path, record: dict[str, object] | str
    ) -> None:
        wheel = tiny_wheel(tmp_path)
        with pytest.raises(WheelhouseError, match="does not describe a wheel"):
            house.store(wheel, sha256=digest_of(wheel), variant=VARIANT, key=key_of("one"), record=record)

    def test_a_file_that_is_no_zip_is_refused(self, house: Wheelhouse, tmp_path: Path) -> None:
        wheel = tmp_path / "demo-1.0-py3-none-any.whl"
        wheel.write_bytes(b"not a zip")
        with pytest.raises(WheelError, match="not a zip file"):
            put(house, wheel, "one")

    @pytest.mark.parametrize(
        "members", [[], ["a-1.dist-info/METADATA", "b-1.dist-info/METADATA"], ["x/a.dist-info/METADATA"]]
    )
    def test_a_wheel_has_one_metadata_file(
        self, house: Wheelhouse, tmp_path: Path, members: list[str]
    ) -> None:
        wheel = tmp_path / "demo-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for member in members:
                archive.writestr(member, "")
        with pytest.raises(WheelError, match="must hold one METADATA"):
            put(house, wheel, "one")

    def test_a_missing_wheel_is_an_error(self, house: Wheelhouse, tmp_path: Path) -> None:
        wheel = tiny_wheel(tmp_path)
        record, sha256 = record_of(wheel), digest_of(wheel)
        wheel.unlink()
        with pytest.raises(WheelhouseError, match="No such file"):
            house.store(wheel, sha256=sha256, variant=VARIANT, key=key_of("one"), record=record)

    def test_without_requires_python_the_pages_say_nothing(self, house: Wheelhouse, tmp_path: Path) -> None:
        wheel = tmp_path / "demo-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(
                "demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
            )
        put(house, wheel, "one")
        for page in (house.root / VARIANT / "simple/demo").iterdir():
            assert "requires-python" not in page.read_text()

    @pytest.mark.parametrize("variant", ["", "..", "a/b", ".hidden", "/etc"])
    def test_a_variant_is_one_directory(self, house: Wheelhouse, tmp_path: Path, variant: str) -> None:
        with pytest.raises(WheelhouseError, match="cannot be a variant"):
            put(house, tiny_wheel(tmp_path), "one", variant)

    def test_variants_are_apart(self, house: Wheelhouse, tmp_path: Path) -> None:
        put(house, tiny_wheel(tmp_path), "one", "openblas")
        put(house, tiny_wheel(tmp_path), "one", "reference")
        (house.root / "notes").mkdir()
        assert house.variants() == ["openblas", "reference"]
        assert house.find("accelerate", key_of("one")) is None


class TestFind:
    def test_an_unknown_key_is_not_worth_a_word(self, house: Wheelhouse, told: list[str]) -> None:
        assert house.find(VARIANT, key_of("none")) is None
        assert told == []

    def test_a_damaged_record_is_told(self, house: Wheelhouse, tmp_path: Path, told: list[str]) -> None:
        stored = put(house, tiny_wheel(tmp_path), "one")
        (house.root / VARIANT / "records" / f"{stored.key}.json").write_bytes(b"\xff{")
        assert house.find(VARIANT, stored.key) is None
        assert "the record does not describe a wheel" in told[0]

    def test_a_missing_wheel_is_told(self, house: Wheelhouse, tmp_path: Path, told: list[str]) -> None:
        stored = put(house, tiny_wheel(tmp_path), "one")
        stored.path.unlink()
        assert house.find(VARIANT, stored.key) is None
        assert "is missing" in told[0]

    def test_another_size_is_told(self, house: Wheelhouse, tmp_path: Path, told: list[str]) -> None:
        stored = put(house, tiny_wheel(tmp_path), "one")
        stored.path.write_bytes(b"short")
        assert house.find(VARIANT, stored.key) is None
        assert "it has 5 bytes instead of" in told[0]

    def test_other_bytes_are_told_when_asked_for(
        self, house: Wheelhouse, tmp_path: Path, told: list[str]
    ) -> None:
        stored = put(house, tiny_wheel(tmp_path), "one")
        stored.path.write_bytes(b"x" * stored.path.stat().st_size)
        assert house.find(VARIANT, stored.key) == stored
        assert house.find(VARIANT, stored.key, verify=True) is None
        assert "sha256 is not the recorded one" in told[0]

    def test_storing_again_heals_a_damaged_wheel(self, house: Wheelhouse, tmp_path: Path) -> None:
        wheel = tiny_wheel(tmp_path)
        stored = put(house, wheel, "one")
        stored.path.write_bytes(b"x")
        put(house, wheel, "one")
        assert house.find(VARIANT, stored.key, verify=True) == stored

    def test_a_missing_record_has_no_text(self, house: Wheelhouse) -> None:
        with pytest.raises(WheelhouseError, match="No such file"):
            house.record(VARIANT, key_of("none"))

    def test_without_a_listener_nothing_is_said(self, tmp_path: Path) -> None:
        house = Wheelhouse(tmp_path / "house")
        put(house, tiny_wheel(tmp_path), "one").path.unlink()
        assert house.find(VARIANT, key_of("one")) is None


class TestPoint:
    def test_it_lists_again_what_the_index_lost(self, house: Wheelhouse, tmp_path: Path) -> None:
        stored = put(house, tiny_wheel(tmp_path), "one")
        pages = {page: page.read_bytes() for page in (house.root / VARIANT / "simple").rglob("*.*")}
        for page in pages:
            page.unlink()
        Path(f"{stored.path}.metadata").unlink()
        assert current(house) == []
        assert house.point(VARIANT, stored.key) == stored
        assert {page: page.read_bytes() for page in pages} == pages
        check_tidy(house.root)

    def test_it_writes_nothing_that_is_right_already(self, house: Wheelhouse, tmp_path: Path) -> None:
        stored = put(house, tiny_wheel(tmp_path), "one")
        before = {path: path.stat().st_ino for path in house.root.rglob("*.*")}
        house.point(VARIANT, stored.key)
        assert {path: path.stat().st_ino for path in house.root.rglob("*.*")} == before

    def test_it_refuses_a_damaged_wheel(self, house: Wheelhouse, tmp_path: Path) -> None:
        stored = put(house, tiny_wheel(tmp_path), "one")
        stored.path.write_bytes(b"x" * stored.path.stat().st_size)
        with pytest.raises(WheelhouseError, match="is damaged"):
            house.point(VARIANT, stored.key)

    def test_it_refuses_an_unknown_key(self, house: Wheelhouse) -> None:
        with pytest.raises(WheelhouseError, match="No such file"):
            house.point(VARIANT, key_of("none"))


class TestListing:
    def test_current_can_be_narrowed(self, house: Wheelhouse, tmp_path: Path) -> None:
        for version in ("1.0", "2.0"):
            for tag in ("cp312-cp312-manylinux_2_28_x86_64", "cp313-cp313-manylinux_2_28_x86_64"):
                put(house, tiny_wheel(tmp_path, version=version, tag=tag), version + tag)
        target = Target.parse("cp313-manylinux_x86_64")
        assert len(current(house)) == 4
        assert {wheel.version for wheel in current(house, version="2")} == {"2.0"}
        (only,) = current(house, version="1.0", target=target)
        assert only.path.name == "demo-1.0-cp313-cp313-manylinux_2_28_x86_64.whl"

    def test_entries_are_those_of_all_projects(self, house: Wheelhouse, tmp_path: Path) -> None:
        for name in ("zeta", "alpha"):
            put(house, tiny_wheel(tmp_path, name), name)
        assert [(project, file.filename) for project, file in house.entries(VARIANT)] == [
            ("alpha", "alpha-1.0-py3-none-any.whl"),
            ("zeta", "zeta-1.0-py3-none-any.whl"),
        ]
        assert list(house.entries("reference")) == []

    @pytest.mark.parametrize(
        "page", ["", "[]", '{"files": [{}]}', '{"files": [{"filename": "x"}]}', '{"files": 1}']
    )
    def test_a_damaged_page_is_named_and_healed_by_removing_it(
        self, house: Wheelhouse, tmp_path: Path, page: str
    ) -> None:
        stored = put(house, tiny_wheel(tmp_path), "one")
        ledger = house.root / VARIANT / "simple/demo/index.json"
        ledger.write_text(page)
        for broken in (
            lambda: current(house),
            lambda: list(house.entries(VARIANT)),
            lambda: put(house, tiny_wheel(tmp_path, version="2.0"), "two"),
            lambda: house.collect(VARIANT, []),
        ):
            with pytest.raises(WheelhouseError, match="page of demo is damaged") as caught:
                broken()
            assert caught.value.where == str(ledger)
        assert stored.path.exists()
        ledger.unlink()
        house.point(VARIANT, stored.key)
        check_tidy(house.root)


class TestCollect:
    def test_it_keeps_what_is_current_and_what_it_is_told_to_keep(
        self, house: Wheelhouse, tmp_path: Path
    ) -> None:
        stored = [put(house, tiny_wheel(tmp_path / text, content=text), text) for text in ("a", "b", "c")]
        stranger = house.root / VARIANT / "wheels" / "notes.txt"
        stranger.write_text("mine")
        leftover = house.root / VARIANT / "records" / ".tmp-0"
        leftover.write_text("half")
        planned = house.collect(VARIANT, [stored[1].key], dry_run=True)
        assert all(wheel.path.exists() for wheel in stored)
        assert leftover.exists()
        removed = house.collect(VARIANT, [stored[1].key])
        assert removed == planned
        gone = stored[0]
        assert [file.path for file in removed] == [
            leftover,
            house.root / VARIANT / "records" / f"{gone.key}.json",
            gone.path,
            Path(f"{gone.path}.metadata"),
        ]
        assert removed[0].size == 4
        assert not gone.path.parent.exists()
        assert house.find(VARIANT, stored[1].key, verify=True) == stored[1]
        assert current(house) == [stored[2]]
        assert stranger.exists()
        assert house.collect(VARIANT, [stored[1].key]) == []

    def test_a_wheel_of_two_keys_stays_for_either(self, house: Wheelhouse, tmp_path: Path) -> None:
        wheel = tiny_wheel(tmp_path)
        put(house, wheel, "one")
        put(house, wheel, "two")
        (removed,) = house.collect(VARIANT, [])
        assert removed.path.stem == key_of("one")
        check_tidy(house.root)

    def test_a_kept_record_that_is_damaged_stays(self, house: Wheelhouse, tmp_path: Path) -> None:
        old = put(house, tiny_wheel(tmp_path, content="old"), "old")
        put(house, tiny_wheel(tmp_path, content="new"), "new")
        record = house.root / VARIANT / "records" / f"{old.key}.json"
        record.write_text("{}")
        house.collect(VARIANT, [old.key])
        assert record.exists()

    def test_an_unknown_variant_is_empty(self, house: Wheelhouse) -> None:
        assert house.collect("nothing", []) == []
        assert not (house.root / "nothing").exists()


class TestLock:
    def hold(self, house: Wheelhouse, seconds: float) -> threading.Thread:
        held = threading.Event()

        def work() -> None:
            lock = Lock(root=house.root, timeout=1, command="nox -s build-demo", tell=print)
            with lock.held():
                held.set()
                over.wait(seconds)

        over = threading.Event()
        thread = threading.Thread(target=work)
        thread.start()
        assert held.wait(5)
        return thread

    def test_waiting_tells_for_whom(self, house: Wheelhouse, tmp_path: Path, told: list[str]) -> None:
        thread = self.hold(house, 0.2)
        put(house, tiny_wheel(tmp_path), "one")
        thread.join()
        assert told == [
            f"waiting for process {os.getpid()} (nox -s build-demo), which is writing to {house.root}"
        ]
        assert not (house.root / HOLDER).exists()

    def test_waiting_ends_with_a_reason(self, house: Wheelhouse, tmp_path: Path) -> None:
        impatient = Wheelhouse(house.root, timeout=0.1)
        thread = self.hold(house, 0.5)
        with pytest.raises(WheelhouseError, match="keeps the wheelhouse locked") as caught:
            put(impatient, tiny_wheel(tmp_path), "one")
        thread.join()
        assert "did not end within 0.1 seconds" in (caught.value.why or "")

    @pytest.mark.parametrize("note", [None, "", "[]", "{}"])
    def test_a_lost_note_does_no_harm(
        self, house: Wheelhouse, tmp_path: Path, told: list[str], note: str | None
    ) -> None:
        thread = self.hold(house, 0.2)
        (house.root / HOLDER).unlink()
        if note is not None:
            (house.root / HOLDER).write_text(note)
        put(house, tiny_wheel(tmp_path), "one")
        thread.join()
        assert told[0].startswith("waiting for another process,")


class TestRefusals:
    def test_a_file_in_the_place_of_the_wheelhouse(self, tmp_path: Path) -> None:
        (tmp_path / "house").write_text("")
        with pytest.raises(WheelhouseError, match="something else stands in the place"):
            put(Wheelhouse(tmp_path / "house"), tiny_wheel(tmp_path), "one")

    def test_a_wheelhouse_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(WheelhouseError, match="something else stands in the place"):
            put(Wheelhouse(tmp_path / "file" / "house"), tiny_wheel(tmp_path), "one")

    @pytest.mark.parametrize("place", ["wheels", "records", "simple", "simple/demo"])
    def test_a_file_in_the_place_of_a_directory(self, house: Wheelhouse, tmp_path: Path, place: str) -> None:
        path = house.root / VARIANT / place
        path.parent.mkdir(parents=True)
        path.write_text("")
        with pytest.raises(WheelhouseError, match="something else stands in the place"):
            put(house, tiny_wheel(tmp_path), "one")
        path.unlink()
        put(house, tiny_wheel(tmp_path), "one")
        check_tidy(house.root)

    @pytest.mark.parametrize(
        ("number", "words"),
        [
            ("ENOSPC", "the disk is full"),
            ("EACCES", "may not be written"),
            ("EROFS", "may not be written"),
            ("EIO", "Input/output error"),
        ],
    )
    def test_the_system_is_translated(self, tmp_path: Path, number: str, words: str) -> None:
        code = getattr(errno, number)
        with pytest.raises(WheelhouseError, match=words) as caught, explained(tmp_path):
            raise OSError(code, os.strerror(code))
        assert caught.value.where == str(tmp_path)

    def test_an_error_without_a_number_is_translated(self, tmp_path: Path) -> None:
        with pytest.raises(WheelhouseError, match="odd"), explained(tmp_path):
            raise OSError("odd")


class TestWriteAtomically:
    def test_it_makes_directories_and_replaces(self, tmp_path: Path) -> None:
        path = tmp_path / "a/b/c"
        write_atomically(path, b"one")
        write_atomically(path, b"two")
        assert path.read_bytes() == b"two"
        assert [item.name for item in path.parent.iterdir()] == ["c"]

    def test_a_refusal_leaves_the_old_file_and_no_other(self, tmp_path: Path) -> None:
        (tmp_path / "taken").mkdir()
        with pytest.raises(WheelhouseError, match="something else stands"):
            write_atomically(tmp_path / "taken", b"x")
        assert [item.name for item in tmp_path.iterdir()] == ["taken"]

    def test_a_file_system_that_cannot_flush_directories_is_fine(self) -> None:
        flush_directory(Path("/proc"))

    def test_a_directory_that_is_gone_is_not(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            flush_directory(tmp_path / "gone")
