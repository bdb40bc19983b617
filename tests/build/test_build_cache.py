"""The build cache: when a build continues from it, with what times, and when it is removed."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.build_caches import cache_of, cached, changes, lay, stage_in, times
from support.stages import OTHER
from wheelfarm.build import build_cache
from wheelfarm.build.build_cache import BuildCache, inputs_digest, read_sources
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
        current = cache_of(stage).restore(stage)
        assert changes(stage) == {"new": current.token, "old": None}
        assert times(stage) == before
        assert not (stage.root / "build").exists()

    def test_what_is_unchanged_gets_its_old_time(self, stage: BuildDirectory) -> None:
        before = times(stage)
        found = cached(stage)
        lay(stage, {"a.c": "a", "b.c": "other"})
        os.utime(stage.tree.path / "a.c")
        began = time.time_ns()
        found.restore(stage)
        now = times(stage)
        assert now["a.c"] == before["a.c"]
        assert began <= now["b.c"] <= time.time_ns()
        assert changes(stage)["files"] == ["b.c"]
        assert changes(stage)["changed"] == now["b.c"]
        assert (stage.root / "build" / "a.o").read_text() == "object"
        assert not found.root.exists()

    def test_a_change_that_is_taken_back_is_a_change(self, stage: BuildDirectory) -> None:
        """The object was made of the other content in between."""
        before = times(stage)
        found = cached(stage)
        lay(stage, {"a.c": "a", "b.c": "other"})
        found.save(found.restore(stage))
        between = times(stage)
        lay(stage)
        found.restore(stage)
        assert times(stage)["a.c"] == before["a.c"]
        assert times(stage)["b.c"] > between["b.c"] > before["b.c"]

    def test_a_file_that_can_be_run_now_has_changed(self, stage: BuildDirectory) -> None:
        found = cached(stage)
        lay(stage).tree.path.joinpath("a.c").chmod(0o755)
        found.restore(stage)
        assert changes(stage)["files"] == ["a.c"]

    def test_in_a_volume_only_times_are_set(self, stage: BuildDirectory) -> None:
        found = BuildCache.beside(stage.root, None)
        first = found.restore(stage)
        found.save(first)
        lay(stage, {"a.c": "a", "b.c": "other"})
        second = found.restore(stage)
        assert (changes(stage)["old"], changes(stage)["new"]) == (first.token, second.token)
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
        found = cached(stage)
        found.restore(lay(stage, files))
        assert changes(stage)["old"] is None
        assert not (stage.root / "build").exists()
        assert not found.root.exists()

    @pytest.mark.parametrize("target", ["a.c", "b.c", "away"])
    def test_where_a_link_leads_elsewhere_it_is_thrown_away(self, stage: BuildDirectory, target: str) -> None:
        files: Files = {"a.c": "a", "b.c": "b", "dir/x.c": "", "link": Path("a.c"), "to": Path("dir")}
        found = cached(lay(stage, files))
        found.restore(lay(stage, files | {"link": Path(target)}))
        assert (changes(stage)["old"] is not None) == (target == "a.c")

    def test_a_link_to_a_directory_counts(self, stage: BuildDirectory) -> None:
        files: Files = {"a/x.c": "a", "b/x.c": "b", "to": Path("a")}
        found = cached(lay(stage, files))
        found.restore(lay(stage, files | {"to": Path("b")}))
        assert changes(stage)["old"] is None


class TestThrowingAway:
    """All that makes one unfit; it costs time only."""

    def unfit(self, stage: BuildDirectory, found: BuildCache) -> None:
        found.restore(stage)
        assert changes(stage)["old"] is None
        assert not (stage.root / "build").exists()
        assert not found.root.exists()

    def test_of_other_inputs(self, stage: BuildDirectory) -> None:
        found = cached(stage)
        other = replace(stage, build=replace(stage.build, key_parts={"version": "1.0", "compiler.c": "13"}))
        self.unfit(lay(other), found)

    def test_of_another_wheel_with_the_same_key(self, stage: BuildDirectory) -> None:
        found = cached(stage)
        (wheel,) = stage.requirements
        other = replace(stage, requirements=(replace(wheel, sha256=Digest("d" * 64)),))
        assert wheel.sha256 == OTHER
        self.unfit(lay(other), found)

    def test_from_before_the_machine_started(
        self, stage: BuildDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Names of files may exist, and their content be lost."""
        found = cached(stage)
        monkeypatch.setattr(build_cache, "_boot_id", lambda: "another")
        self.unfit(lay(stage), found)

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"inputs": 1, "token": 2}', "half", "null"])
    def test_damaged(self, stage: BuildDirectory, text: str) -> None:
        found = cached(stage)
        (found.root / "cached-build.json").write_text(text)
        self.unfit(lay(stage), found)

    @pytest.mark.parametrize("sources", [[], {"a.c": 1}, {"a.c": []}, {"a.c": ["x", "y"]}])
    def test_with_other_sources_than_there_can_be(self, stage: BuildDirectory, sources: object) -> None:
        found = cached(stage)
        document = json.loads((found.root / "cached-build.json").read_text())
        (found.root / "cached-build.json").write_text(json.dumps(document | {"sources": sources}))
        self.unfit(lay(stage), found)

    def test_without_its_directory(self, stage: BuildDirectory) -> None:
        found = cached(stage)
        (found.root / "build").rename(stage.root.with_name("elsewhere"))
        self.unfit(lay(stage), found)

    def test_a_kill_after_it_was_taken_leaves_none(self, stage: BuildDirectory) -> None:
        found = cached(stage)
        found.restore(lay(stage))
        self.unfit(lay(stage), found)

    def test_a_kill_while_it_is_taken_leaves_none(
        self, stage: BuildDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = cache_of(stage)
        found.save(found.restore(stage))

        def kill(*_words: object, **_more: object) -> None:
            raise SystemExit

        lay(stage)
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "rmtree", kill)
            with pytest.raises(SystemExit):
                found.restore(stage)
        found.restore(lay(stage))
        assert changes(stage)["old"] is None

    def test_a_kill_during_a_save_leaves_no_cache(self, stage: BuildDirectory) -> None:
        found = cached(stage)
        (found.root / "cached-build.json").rename(found.root / "cached-build.draft")
        self.unfit(lay(stage), found)

    def test_a_missing_directory_saves_no_cache(self, stage: BuildDirectory) -> None:
        found = cache_of(stage)
        basis = found.restore(stage)
        found.save(basis)  # which is not there
        self.unfit(lay(stage), found)


class TestInputs:
    def digest(self, stage: BuildDirectory, **changes: object) -> str:
        changed = replace(stage, **changes)  # type: ignore[arg-type]
        return inputs_digest(changed, {"a.c": ("1", 1)})

    @pytest.mark.parametrize(
        "parts",
        [
            {"version": "1.0", "patch.1.b.patch": "2", "config-settings.install-args": "[]"},
            {"version": "1.0", "upstream.numpy": "another key"},
        ],
        ids=["patches count by what they change", "dependencies count by their bytes"],
    )
    def test_what_is_no_input_of_a_compile(self, stage: BuildDirectory, parts: dict[str, str]) -> None:
        assert self.digest(stage) == self.digest(stage, build=replace(stage.build, key_parts=parts))

    def test_a_dependency_counts_by_its_bytes(self, stage: BuildDirectory) -> None:
        wheels = tuple(replace(wheel, sha256=Digest("d" * 64)) for wheel in stage.requirements)
        assert wheels
        assert self.digest(stage) != self.digest(stage, requirements=wheels)

    def test_names_of_sources_count_and_contents_do_not(self, stage: BuildDirectory) -> None:
        one, other = ({"a": (content, 1), "\udcff": ("2", 2)} for content in "12")
        assert inputs_digest(stage, one) == inputs_digest(stage, other)
        assert inputs_digest(stage, one) != inputs_digest(stage, {"a": ("1", 1)})

    def test_what_is_no_file_is_passed_over(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert read_sources(tmp_path) == {}
