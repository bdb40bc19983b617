from __future__ import annotations

from pathlib import Path

import pytest

from support.store import VARIANT, check_tidy, current, key_of, put, tiny_wheel
from wheelfarm.errors import WheelhouseError
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


class TestCollect:
    def test_it_keeps_what_is_current_and_the_given_keys(
        self, wheelhouse: Wheelhouse, tmp_path: Path
    ) -> None:
        stored = [
            put(wheelhouse, tiny_wheel(tmp_path / text, content=text), text) for text in ("a", "b", "c")
        ]
        stranger = wheelhouse.root / VARIANT / "wheels" / "notes.txt"
        stranger.write_text("mine")
        leftover = wheelhouse.root / VARIANT / "records" / ".tmp-0"
        leftover.write_text("half")
        planned = wheelhouse.collect_garbage(VARIANT, [stored[1].key], dry_run=True)
        assert all(wheel.path.exists() for wheel in stored)
        assert leftover.exists()
        removed = wheelhouse.collect_garbage(VARIANT, [stored[1].key])
        assert removed == planned
        gone = stored[0]
        assert [file.path for file in removed] == [
            leftover,
            wheelhouse.root / VARIANT / "records" / f"{gone.key}.json",
            gone.path,
            Path(f"{gone.path}.metadata"),
        ]
        assert removed[0].size == 4
        assert not gone.path.parent.exists()
        assert wheelhouse.find(VARIANT, stored[1].key, verify=True) == stored[1]
        assert current(wheelhouse) == [stored[2]]
        assert stranger.exists()
        assert wheelhouse.collect_garbage(VARIANT, [stored[1].key]) == []

    def test_a_wheel_of_two_keys_stays_for_either(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        wheel = tiny_wheel(tmp_path)
        put(wheelhouse, wheel, "one")
        put(wheelhouse, wheel, "two")
        (removed,) = wheelhouse.collect_garbage(VARIANT, [])
        assert removed.path.stem == key_of("one")
        check_tidy(wheelhouse.root)

    def test_a_damaged_record_of_a_key_in_use_stays(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        old = put(wheelhouse, tiny_wheel(tmp_path, content="old"), "old")
        put(wheelhouse, tiny_wheel(tmp_path, content="new"), "new")
        record = wheelhouse.root / VARIANT / "records" / f"{old.key}.json"
        record.write_text("{}")
        wheelhouse.collect_garbage(VARIANT, [old.key])
        assert record.exists()

    def test_an_unknown_variant_is_empty(self, wheelhouse: Wheelhouse) -> None:
        assert wheelhouse.collect_garbage("nothing", []) == []
        assert not (wheelhouse.root / "nothing").exists()


class TestRefusals:
    def test_a_file_in_the_place_of_the_wheelhouse(self, tmp_path: Path) -> None:
        (tmp_path / "wheelhouse").write_text("")
        with pytest.raises(WheelhouseError, match="a file is where a directory is needed"):
            put(Wheelhouse(tmp_path / "wheelhouse"), tiny_wheel(tmp_path), "one")

    def test_a_wheelhouse_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(WheelhouseError, match="a file is where a directory is needed"):
            put(Wheelhouse(tmp_path / "file" / "wheelhouse"), tiny_wheel(tmp_path), "one")

    @pytest.mark.parametrize("place", ["wheels", "records", "simple", "simple/demo"])
    def test_a_file_in_the_place_of_a_directory(
        self, wheelhouse: Wheelhouse, tmp_path: Path, place: str
    ) -> None:
        path = wheelhouse.root / VARIANT / place
        path.parent.mkdir(parents=True)
        path.write_text("")
        with pytest.raises(WheelhouseError, match="a file is where a directory is needed"):
            put(wheelhouse, tiny_wheel(tmp_path), "one")
        path.unlink()
        put(wheelhouse, tiny_wheel(tmp_path), "one")
        check_tidy(wheelhouse.root)
