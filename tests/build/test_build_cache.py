"""Kept build directories: when one is taken, with what times, and when it is thrown away."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.kept import kept, lay, stage_in, times, told
from support.stages import OTHER
from wheelfarm.build.build_cache import Basis, Kept, alike, context, sources_of
from wheelfarm.model import Digest

if TYPE_CHECKING:
    from wheelfarm.build.directory import BuildDirectory

    Files = dict[str, str | Path]


@pytest.fixture
def stage(tmp_path: Path) -> BuildDirectory:
    """A stage whose source tree has two files."""
    return stage_in(tmp_path)


class TestTaking:
    def test_there_is_none_at_first(self, stage: BuildDirectory) -> None:
        before = times(stage)
        basis = Kept.beside(stage.root).take(stage, stage.root / "build")
        assert told(stage) == {"new": basis.id, "old": None}
        assert times(stage) == before
        assert not (stage.root / "build").exists()

    def test_what_is_unchanged_gets_its_old_time(self, stage: BuildDirectory) -> None:
        before = times(stage)
        found = kept(stage)
        lay(stage, {"a.c": "a", "b.c": "other"})
        os.utime(stage.tree.path / "a.c")
        began = time.time_ns()
        found.take(stage, stage.root / "build")
        now = times(stage)
        assert now["a.c"] == before["a.c"]
        assert began <= now["b.c"] <= time.time_ns()
        assert told(stage)["files"] == ["b.c"]
        assert told(stage)["changed"] == now["b.c"]
        assert (stage.root / "build" / "a.o").read_text() == "object"
        assert not found.root.exists()

    def test_a_change_that_is_taken_back_is_a_change(self, stage: BuildDirectory) -> None:
        """The object was made of the other content in between."""
        before = times(stage)
        found = kept(stage)
        lay(stage, {"a.c": "a", "b.c": "other"})
        found.keep(found.take(stage, stage.root / "build"), stage.root / "build")
        between = times(stage)
        lay(stage)
        found.take(stage, stage.root / "build")
        assert times(stage)["a.c"] == before["a.c"]
        assert times(stage)["b.c"] > between["b.c"] > before["b.c"]

    def test_a_file_that_can_be_run_now_has_changed(self, stage: BuildDirectory) -> None:
        found = kept(stage)
        lay(stage).tree.path.joinpath("a.c").chmod(0o755)
        found.take(stage, stage.root / "build")
        assert told(stage)["files"] == ["a.c"]

    def test_in_a_volume_only_times_are_set(self, stage: BuildDirectory) -> None:
        found = Kept.beside(stage.root)
        found.keep(found.take(stage, None), None)
        lay(stage, {"a.c": "a", "b.c": "other"})
        basis = found.take(stage, None)
        assert told(stage)["old"] is not None
        assert told(stage)["new"] == basis.id != told(stage)["old"]
        assert not (stage.root / "build").exists()

    @pytest.mark.parametrize(
        "files",
        [
            {"a.c": "a"},
            {"a.c": "a", "b.c": "b", "c.h": ""},
            {"a.c": "a", "b.c": Path("a.c")},
            {"a.c": "a", "b.c": "b", "link": Path("a.c")},
        ],
        ids=["one is gone", "one is new", "a link in its place", "a link is new"],
    )
    def test_where_a_name_comes_or_goes_it_is_thrown_away(self, stage: BuildDirectory, files: Files) -> None:
        found = kept(stage)
        found.take(lay(stage, files), stage.root / "build")
        assert told(stage)["old"] is None
        assert not (stage.root / "build").exists()
        assert not found.root.exists()

    @pytest.mark.parametrize("target", ["a.c", "b.c", "away"])
    def test_where_a_link_leads_elsewhere_it_is_thrown_away(self, stage: BuildDirectory, target: str) -> None:
        files: Files = {"a.c": "a", "b.c": "b", "dir/x.c": "", "link": Path("a.c"), "to": Path("dir")}
        found = kept(lay(stage, files))
        found.take(lay(stage, files | {"link": Path(target)}), stage.root / "build")
        assert (told(stage)["old"] is not None) == (target == "a.c")

    def test_a_link_to_a_directory_counts(self, stage: BuildDirectory) -> None:
        files: Files = {"a/x.c": "a", "b/x.c": "b", "to": Path("a")}
        now, before = (sources_of(lay(stage, files | {"to": Path(to)}).tree.path) for to in "ba")
        assert not alike(now, before)
        assert alike(now, now)


class TestThrowingAway:
    """All that makes one unfit; it costs time only."""

    def unfit(self, stage: BuildDirectory, found: Kept) -> None:
        found.take(stage, stage.root / "build")
        assert told(stage)["old"] is None
        assert not (stage.root / "build").exists()
        assert not found.root.exists()

    def test_of_other_inputs(self, stage: BuildDirectory) -> None:
        found = kept(stage)
        other = replace(stage, build=replace(stage.build, key_parts={"version": "1.0", "compiler.c": "13"}))
        self.unfit(lay(other), found)

    def test_of_another_wheel_with_the_same_key(self, stage: BuildDirectory) -> None:
        found = kept(stage)
        (wheel,) = stage.requirements
        other = replace(stage, requirements=(replace(wheel, sha256=Digest("d" * 64)),))
        assert wheel.sha256 == OTHER
        self.unfit(lay(other), found)

    def test_from_before_the_machine_went_down(self, stage: BuildDirectory) -> None:
        """Names of files may be there, and their content lost."""
        found = kept(stage)
        basis = found.root / "basis.json"
        document = json.loads(basis.read_text())
        basis.write_text(json.dumps(document | {"running": "another time"}))
        self.unfit(lay(stage), found)

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"context": 1, "running": 2}', "half", "null"])
    def test_damaged(self, stage: BuildDirectory, text: str) -> None:
        found = kept(stage)
        (found.root / "basis.json").write_text(text)
        self.unfit(lay(stage), found)

    @pytest.mark.parametrize("sources", [[], {"a.c": 1}, {"a.c": []}, {"a.c": ["x", "y"]}])
    def test_with_other_sources_than_there_can_be(self, stage: BuildDirectory, sources: object) -> None:
        found = kept(stage)
        document = json.loads((found.root / "basis.json").read_text())
        (found.root / "basis.json").write_text(json.dumps(document | {"sources": sources}))
        self.unfit(lay(stage), found)

    def test_without_its_directory(self, stage: BuildDirectory) -> None:
        found = kept(stage)
        (found.root / "build").rename(stage.root.with_name("elsewhere"))
        self.unfit(lay(stage), found)

    def test_a_kill_after_it_was_taken_leaves_none(self, stage: BuildDirectory) -> None:
        found = kept(stage)
        found.take(lay(stage), stage.root / "build")
        self.unfit(lay(stage), found)

    def test_a_kill_while_it_is_taken_leaves_none(
        self, stage: BuildDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = Kept.beside(stage.root)
        found.keep(found.take(stage, None), None)

        def kill(*_words: object, **_more: object) -> None:
            raise SystemExit

        lay(stage)
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "rmtree", kill)
            with pytest.raises(SystemExit):
                found.take(stage, None)
        found.take(lay(stage), None)
        assert told(stage)["old"] is None

    def test_a_kill_while_it_is_kept_leaves_none(self, stage: BuildDirectory) -> None:
        found = kept(stage)
        (found.root / "basis.json").rename(found.root / "basis.draft")
        self.unfit(lay(stage), found)

    def test_where_it_cannot_be_kept(self, stage: BuildDirectory) -> None:
        found = Kept.beside(stage.root)
        basis = found.take(stage, stage.root / "build")
        found.keep(basis, stage.root / "build")  # which is not there
        self.unfit(lay(stage), found)


class TestBasis:
    def test_patches_are_told_by_what_they_change(self, stage: BuildDirectory) -> None:
        other = {"version": "1.0", "patch.1.b.patch": "2", "config-settings.install-args": "[]"}
        assert context(stage) == context(replace(stage, build=replace(stage.build, key_parts=other)))

    def test_upstream_counts_by_its_bytes(self, stage: BuildDirectory) -> None:
        """Its key may change, by a test's or a compiler's, and the same wheel come out."""
        other = {**stage.build.key_parts, "upstream.numpy": "another key"}
        assert context(stage) == context(replace(stage, build=replace(stage.build, key_parts=other)))
        wheels = tuple(replace(wheel, sha256=Digest("d" * 64)) for wheel in stage.requirements)
        assert wheels
        assert context(stage) != context(replace(stage, requirements=wheels))

    def test_its_digest_is_of_contents(self) -> None:
        one = Basis(context=OTHER, sources={"a": ("1", 1), "\udcff": ("2", 2)})
        later = Basis(context=OTHER, sources={"a": ("1", 3), "\udcff": ("2", 4)})
        other = Basis(context=OTHER, sources={"a": ("2", 1), "\udcff": ("2", 2)})
        assert one.id == later.id != other.id

    def test_what_is_no_file_is_passed_over(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert sources_of(tmp_path) == {}
