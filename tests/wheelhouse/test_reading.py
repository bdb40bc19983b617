from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.store import VARIANT, check_tidy, current, key_of, listed, put, tiny_wheel
from wheelfarm.errors import WheelhouseError
from wheelfarm.model import Name, Target

if TYPE_CHECKING:
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


class TestFind:
    def test_an_unknown_key_is_not_worth_a_word(self, wheelhouse: Wheelhouse, messages: list[str]) -> None:
        assert wheelhouse.find(VARIANT, key_of("none")) is None
        assert messages == []

    def test_a_damaged_record_is_reported(
        self, wheelhouse: Wheelhouse, tmp_path: Path, messages: list[str]
    ) -> None:
        stored = put(wheelhouse, tiny_wheel(tmp_path), "one")
        (wheelhouse.root / VARIANT / "records" / f"{stored.key}.json").write_bytes(b"\xff{")
        assert wheelhouse.find(VARIANT, stored.key) is None
        assert "the record does not describe a wheel" in messages[0]

    def test_a_missing_wheel_is_reported(
        self, wheelhouse: Wheelhouse, tmp_path: Path, messages: list[str]
    ) -> None:
        stored = put(wheelhouse, tiny_wheel(tmp_path), "one")
        stored.path.unlink()
        assert wheelhouse.find(VARIANT, stored.key) is None
        assert "is missing" in messages[0]

    def test_another_size_is_reported(
        self, wheelhouse: Wheelhouse, tmp_path: Path, messages: list[str]
    ) -> None:
        stored = put(wheelhouse, tiny_wheel(tmp_path), "one")
        stored.path.write_bytes(b"short")
        assert wheelhouse.find(VARIANT, stored.key) is None
        assert "it has 5 bytes instead of" in messages[0]

    def test_other_bytes_are_reported_when_verified(
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
