"""The author's loop over a patch series: what is written, what is refused, and what is never lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from support.patched import HEADER, SOURCE, File, PatchedFarm, edited, snapshot
from support.repositories import Repository
from wheelfarm.errors import FarmError, GroupError, PatchError, SourceError, UsageError
from wheelfarm.run import patch_save, patch_tree
from wheelfarm.run.patch_check import check_patches
from wheelfarm.run.patch_tree import find_recipe
from wheelfarm.system.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIRST, SECOND = "0001-change-ten.patch", "0002-change-thirty.patch"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> PatchedFarm:
    """A farm without patches, and its patch tree; tests have a copy."""
    farm = PatchedFarm.create(tmp_path_factory.mktemp("template") / "work")
    farm.start()
    return farm


@pytest.fixture(scope="module")
def patched_template(template: PatchedFarm, tmp_path_factory: pytest.TempPathFactory) -> PatchedFarm:
    """With two patches, which are saved; the first is for one variant, and has a comment."""
    farm = template.copy(tmp_path_factory.mktemp("patched") / "work")
    farm.commit("Change ten", {"a.txt": File(edited(10, "ten"))})
    farm.commit("Change thirty", {"a.txt": File(edited(30, "thirty", edited(10, "ten")))})
    farm.save()
    text = farm.recipe.read_text()
    keys = f'file = "{FIRST}"  # why\nvariants = ["plain"]\nversions = ">=1.0,<3"\n'
    farm.recipe.write_text(text.replace(f'file = "{FIRST}"\n', keys))
    return farm


@pytest.fixture
def farm(template: PatchedFarm, tmp_path: Path) -> PatchedFarm:
    """A farm without patches, and its patch tree."""
    return template.copy(tmp_path / "work")


@pytest.fixture
def patched(patched_template: PatchedFarm, tmp_path: Path) -> PatchedFarm:
    """The farm with two patches."""
    return patched_template.copy(tmp_path / "work")


def refusal(call: Callable[[], object]) -> FarmError:
    with pytest.raises(FarmError) as caught:
        call()
    return caught.value


def entries(farm: PatchedFarm) -> list[dict[str, Any]]:
    return list(parse_toml(farm.recipe.read_text()).get("patches", []))


def unchanged(farm: PatchedFarm, call: Callable[[], object]) -> FarmError:
    """The error of a call that changes neither the tree nor the farm."""
    before = farm.state, snapshot(farm.tree), farm.git.git("rev-parse", "HEAD")
    error = refusal(call)
    assert (farm.state, snapshot(farm.tree), farm.git.git("rev-parse", "HEAD")) == before
    return error


class TestSave:
    def test_a_commit_becomes_a_patch_with_its_header(self, farm: PatchedFarm) -> None:
        before = farm.recipe.read_text()
        farm.commit("Change ten", {"a.txt": File(edited(10, "ten"))})
        plan = farm.save()
        assert plan.written == {FIRST: "new"}
        header, _, diff = farm.files[FIRST].decode().partition("\n\ndiff --git ")
        assert header == HEADER.format("Change ten").strip()
        assert diff.startswith("a/a.txt b/a.txt\n")
        assert farm.recipe.read_text() == f'{before}\n[[patches]]\nfile = "{FIRST}"\n'

    def test_nothing_changed_writes_nothing(self, patched: PatchedFarm) -> None:
        before = farm_times(patched)
        assert not patched.save().changes
        patched.start()
        assert not patched.save().changes
        assert farm_times(patched) == before

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "spelling",
        [
            lambda text: text.replace(b"Why:", b"Why:  ").replace(b"\n\ndiff", b"  \n\n\n\ndiff"),
            lambda text: (
                text.partition(b"diff --git")[0].replace(b"\n", b"\r\n")
                + b"diff --git"
                + text.partition(b"diff --git")[2]
            ),
            lambda text: b"From 0123 Mon Sep 17 00:00:00 2001\nSubject: [PATCH 1/2] " + text,
            lambda text: text.replace(b"\n\ndiff", b"\n---\n a.txt | 2 +-\n\ndiff"),
            lambda text: text.replace(b"Why: a", "Why: größer, a".encode("latin-1")),
            lambda text: re.sub(rb"(?m)^(diff|index) .*\n", b"", text),
            lambda text: re.sub(rb"(?m)^(@@ .* @@).*", rb"\1 another heading", text),
        ],
        ids=["spaces", "crlf", "mail", "summary", "latin-1", "plain", "heading"],
    )
    def test_an_unusual_file_stays_as_it_is(
        self, spelling: Callable[[bytes], bytes], patched: PatchedFarm
    ) -> None:
        path = patched.root / "patches/sample" / FIRST
        path.write_bytes(spelling(path.read_bytes()))
        before = patched.state
        patched.start(discard=True)
        assert not patched.save().changes
        patched.commit("More", {"sub/b.txt": File(b"more\n")})
        patched.save()
        assert {name: text for name, text in patched.files.items() if not name.startswith("0003")} == {
            name: text for name, text in before.items() if name != "recipe.toml"
        }

    def test_a_file_that_the_source_ignores_is_said(self, patched: PatchedFarm) -> None:
        patched.save()
        (patched.tree / ".git/info/exclude").write_text("*.log\n")
        (patched.tree / "new.log").write_text("x")
        plan = patched.save()
        assert not plan.changes
        assert plan.warnings == ("the source's .gitignore leaves out: new.log; git add --force takes them",)

    def test_an_amended_patch_keeps_its_file_and_its_keys(self, patched: PatchedFarm) -> None:
        before = entries(patched)
        patched.git.git("commit", "--quiet", "--amend", f"--message={HEADER.format('Change thirty')}# 1")
        assert patched.save().written == {SECOND: "changed"}
        assert b"# 1\n" in patched.files[SECOND]
        assert entries(patched) == before

    @pytest.mark.slow
    def test_another_order_and_a_removed_patch(self, patched: PatchedFarm) -> None:
        first, second = patched.git.git("rev-list", "--reverse", "HEAD~2..HEAD").split()
        patched.git.git("reset", "--quiet", "--hard", "HEAD~2")
        patched.git.git("cherry-pick", second)
        patched.git.git("cherry-pick", first)
        assert patched.save().removed == ()
        assert [entry["file"] for entry in entries(patched)] == [SECOND, FIRST]
        assert entries(patched)[1]["variants"] == ["plain"]
        assert 'patch"  # why\nvariants' in patched.recipe.read_text()
        patched.git.git("reset", "--quiet", "--hard", "HEAD~1")
        assert patched.save().removed == (FIRST,)
        assert [entry["file"] for entry in entries(patched)] == [SECOND]
        assert list(patched.files) == [SECOND]

    @pytest.mark.slow
    def test_git_moves_and_joins_patches(self, patched: PatchedFarm) -> None:
        def rebase(edit: str) -> None:
            words = ("-c", f"sequence.editor=sed -i '{edit}'", "-c", "core.editor=true")
            patched.git.git(*words, "rebase", "--interactive", "source-1.0")

        patched.commit("Change b", {"sub/b.txt": File(b"two\n")})
        patched.save()
        before = patched.files
        rebase("1{h;d};2{G}")
        plan = patched.save()
        assert [entry["file"] for entry in entries(patched)] == [SECOND, FIRST, "0003-change-b.patch"]
        assert (plan.written, plan.removed, patched.files) == ({}, (), before)
        rebase("3s/pick/squash/")
        assert patched.save().removed == ("0003-change-b.patch",)
        assert patched.files[FIRST].count(b"diff --git") == 2
        assert b"Patch-File" not in patched.files[FIRST]

    @pytest.mark.slow
    def test_patches_of_other_variants_stay_where_they_are(self, patched: PatchedFarm) -> None:
        # Neither applies after the other: a build has one of them.
        other = patched.patches(variant="netlib")
        patched.recipe.write_text(
            patched.recipe.read_text().replace('variants = ["plain"]', 'variants = ["netlib"]')
        )
        patched.start(discard=True)
        assert "ten" not in (patched.tree / "a.txt").read_text().split()
        patched.commit("Change forty", {"sub/b.txt": File(b"forty\n")})
        patched.save()
        assert [entry["file"] for entry in entries(patched)] == [FIRST, SECOND, "0003-change-forty.patch"]
        assert entries(patched)[0]["variants"] == ["netlib"]
        assert other.settings.variant == "netlib"
        series = list(check_patches(patched.patches()))
        assert [(each.variants, len(each.patches)) for each in series] == [(("plain",), 2), (("netlib",), 3)]

    @pytest.mark.slow
    def test_a_killed_save_is_completed_by_the_next(
        self, patched: PatchedFarm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        patched.git.git("reset", "--quiet", "--hard", "HEAD~1")
        patched.git.git("commit", "--quiet", "--amend", f"--message={HEADER.format('Renamed')}")
        patched.commit("New", {"sub/b.txt": File(b"new\n")})
        wanted = patched.save(dry_run=True)
        calls = 0

        class KilledError(Exception):
            pass

        for most in range(6):
            for name in ("write_if_changed", "explain_os_errors"):
                real = getattr(patch_save, name)

                def count(*words: Any, real: Any = real, most: int = most) -> Any:
                    nonlocal calls
                    calls += 1
                    if calls > most:
                        raise KilledError
                    return real(*words)

                monkeypatch.setattr(patch_save, name, count)
            calls = 0
            try:
                patched.save()
            except KilledError:
                monkeypatch.undo()
                continue
            break
        assert most == 3  # each save goes on where the one before was killed
        monkeypatch.undo()
        assert not patched.save().changes
        assert {name: patched.files[name] for name in wanted.series} == dict(wanted.series)
        assert [entry["file"] for entry in entries(patched)] == list(wanted.series)
        assert list(check_patches(patched.patches()))


def farm_times(farm: PatchedFarm) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in farm.root.glob("[pr]*/sample/*")}


class TestRefusals:
    def test_files_that_are_not_committed(self, patched: PatchedFarm) -> None:
        (patched.tree / "new.txt").write_text("new")
        (patched.tree / "a.txt").write_text("a")
        error = unchanged(patched, patched.save)
        assert "2 files that are not committed" in error.what
        assert error.why == " M a.txt\n?? new.txt"

    def test_a_commit_without_a_reason(self, patched: PatchedFarm) -> None:
        patched.commit("x", {"sub/b.txt": File(b"x\n")}, "Only a title\n")
        patched.commit("y", {"sub/b.txt": File(b"y\n")}, "Another\n\nWhy: y\n")
        error = unchanged(patched, patched.save)
        assert isinstance(error, GroupError)
        first, second = (each.what for each in error.errors)
        assert re.fullmatch(r"commit [0-9a-f]{10} \(Only a title\) does not say Why: and Upstream:", first)
        assert "(Another) does not say Upstream:" in second

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("message", "what"),
        [
            (f"{HEADER}\nPatch-File: 0009-other.patch", "says Patch-File: 0009-other.patch"),
            (f"{HEADER}\nPatch-File: {FIRST}", f"is the second one for {FIRST}"),
            (f"{HEADER}\ndiff --git a/x b/x", "reads as the beginning of a diff"),
        ],
    )
    def test_a_message_that_misleads(self, message: str, what: str, patched: PatchedFarm) -> None:
        patched.commit("x", {"sub/b.txt": File(b"x\n")}, message)
        assert what in unchanged(patched, patched.save).what

    @pytest.mark.slow
    def test_an_empty_commit(self, patched: PatchedFarm) -> None:
        patched.git.git("commit", "--quiet", "--allow-empty", f"--message={HEADER.format('x')}")
        assert "changes nothing" in unchanged(patched, patched.save).what

    @pytest.mark.slow
    def test_a_merge(self, patched: PatchedFarm) -> None:
        patched.git.git("checkout", "--quiet", "-b", "side", "HEAD~1")
        patched.commit("Side", {"sub/b.txt": File(b"side\n")})
        patched.git.git("checkout", "--quiet", "patches")
        patched.git.git("merge", "--quiet", "--no-edit", "side")
        assert "is a merge" in unchanged(patched, patched.save).what

    @pytest.mark.slow
    def test_another_first_commit(self, patched: PatchedFarm) -> None:
        patched.git.git("checkout", "--quiet", "--orphan", "other")
        patched.git.git("commit", "--quiet", "--message=x")
        assert "is not the source any more" in unchanged(patched, patched.save).what

    def test_patches_that_somebody_else_has_changed(self, patched: PatchedFarm) -> None:
        patched.save()
        directory = patched.root / "patches/sample"
        patched.commit("x", {"sub/b.txt": File(b"x\n")})
        (directory / FIRST).write_bytes(patched.files[FIRST].replace(b"+ten", b"+TEN"))
        (directory / SECOND).unlink()
        (directory / "0003-new.patch").write_bytes(b"new")
        patched.recipe.write_text(f'{patched.recipe.read_text()}\n[[patches]]\nfile = "0003-new.patch"\n')
        error = unchanged(patched, patched.save)
        assert unchanged(patched, lambda: patched.rebase("2.0")).what == error.what
        assert error.why is not None
        assert error.why.splitlines() == [
            f"{FIRST} has other bytes",
            f"{SECOND} is gone",
            "0003-new.patch is new in recipes/sample/recipe.toml",
        ]

    @pytest.mark.slow
    def test_a_recipe_for_another_version(self, patched: PatchedFarm) -> None:
        patched.save()
        patched.recipe.write_text(patched.recipe.read_text().replace('version = "1.0"', 'version = "1.5"'))
        assert unchanged(patched, patched.save).why == "the recipe is for 1.5, and the tree for 1.0"

    def test_without_a_tree(self, tmp_path: Path) -> None:
        error = refusal(PatchedFarm.create(tmp_path / "work").save)
        assert (error.what, error.hint) == ("there is no patch tree of sample", "inv patch.start sample")

    def test_a_public_wheel(self, tmp_path: Path) -> None:
        source = {"kind": "wheel", "sha256": "a" * 64}
        farm = PatchedFarm.create(tmp_path / "work", recipe={"source": source, "compilers": []})
        for call in (farm.start, lambda: farm.rebase("2.0")):
            error = refusal(call)
            assert (error.what, error.where) == (
                "sample has no source to patch",
                "recipes/sample/recipe.toml: source.kind",
            )
        assert list(check_patches(farm.patches())) == []

    def test_an_unknown_recipe(self, farm: PatchedFarm) -> None:
        error = refusal(lambda: find_recipe(farm.patches().settings, "sampel"))
        assert isinstance(error, UsageError)
        assert error.hint == "did you mean 'sample'?"

    @pytest.mark.slow
    def test_a_source_with_a_repository(self, tmp_path: Path) -> None:
        farm = PatchedFarm.create(tmp_path / "work", {**SOURCE, "sub/.git/config": File(b"x")})
        error = refusal(farm.start)
        assert isinstance(error, SourceError)
        assert error.where == "sub/.git/config"
        assert not farm.tree.exists()

    def test_two_runs_at_once(self, patched: PatchedFarm) -> None:
        with patched.patches().locked():
            for call in (
                patched.start,
                patched.save,
                lambda: patched.resume("abort"),
                lambda: patched.rebase("2"),
            ):
                assert "another run works on the patches" in unchanged(patched, call).what


class TestStart:
    def test_the_series_as_commits(self, patched: PatchedFarm) -> None:
        patched.start(discard=True)
        messages = patched.git.git("log", "--reverse", "--format=%s").splitlines()
        assert messages == ["sample 1.0", "Change ten", "Change thirty"]
        assert patched.git.git("status", "--porcelain", "--ignored") == ""
        head = patched.git.git("rev-parse", "HEAD")
        patched.start()
        assert patched.git.git("rev-parse", "HEAD") == head

    @pytest.mark.slow
    @pytest.mark.parametrize("work", ["edit", "new", "ignored", "commit", "stash", "branch", "damage"])
    def test_work_that_is_not_saved_is_never_removed_unasked(self, work: str, patched: PatchedFarm) -> None:
        patched.save()
        (patched.git.path / ".git/info/exclude").write_text("*.log\n")
        match work:
            case "edit":
                (patched.tree / "a.txt").write_text("x")
            case "new":
                (patched.tree / "new.txt").write_text("x")
            case "ignored":
                (patched.tree / "notes.log").write_text("x")
            case "commit":
                patched.commit("x", {"sub/b.txt": File(b"x\n")})
            case "stash":
                (patched.tree / "a.txt").write_text("x")
                patched.git.git("stash", "--quiet")
            case "branch":
                patched.git.git("checkout", "--quiet", "-b", "side")
                patched.commit("x", {"sub/b.txt": File(b"x\n")})
                patched.git.git("checkout", "--quiet", "patches")
            case _:
                (patched.tree / ".git/wheelfarm.json").write_text("{")
        assert unchanged(patched, patched.start).what == (
            "the patch tree of sample has work that is not saved"
        )
        patched.start(discard=True)
        assert not patched.save().changes

    def test_a_patch_that_does_not_apply_leaves_no_tree(self, patched: PatchedFarm) -> None:
        path = patched.root / "patches/sample" / FIRST
        patched.save()
        path.write_bytes(path.read_bytes().replace(b"-line 10", b"-line ten"))
        error = refusal(lambda: patched.start(discard=True))
        assert "does not apply" in error.what
        assert "inv patch.rebase sample" in str(error.hint)
        assert [each.name for each in patched.tree.parent.iterdir()] == ["sample", "sample.lock"]

    @pytest.mark.slow
    def test_files_that_the_recipe_removes(self, tmp_path: Path) -> None:
        recipe = {"source": {"remove": ["win.txt"]}}
        table = PatchedFarm.create(tmp_path / "one").recipe.read_text()
        sha = parse_toml(table)["source"]["sha256"]
        farm = PatchedFarm.create(
            tmp_path / "two", recipe={"source": {"kind": "sdist", "sha256": sha, **recipe["source"]}}
        )
        farm.start()
        assert "win.txt" not in snapshot(farm.tree)

    @pytest.mark.slow
    def test_a_git_source(self, tmp_path: Path) -> None:
        farm, repository = git_farm(tmp_path)
        farm.start()
        farm.commit("Change ten", {"a.txt": File(edited(10, "ten"))})
        farm.save()
        repository.commit({"sub/b.txt": b"two\n"})
        repository.git("tag", "--annotate", "v2.0", "--message=2.0")
        farm.rebase("2.0")
        assert (farm.tree / "sub/b.txt").read_bytes() == b"two\n"
        farm.save()
        table = parse_toml(farm.recipe.read_text())
        assert (table["version"], table["source"]["commit"]) == (
            "2.0",
            repository.git("rev-parse", "HEAD").strip(),
        )
        assert "no tag for 3.0" in refusal(lambda: farm.rebase("3.0")).what
        assert list(check_patches(farm.patches()))


@pytest.mark.slow
def test_a_version_that_cannot_be_named(tmp_path: Path) -> None:
    farm, repository = git_farm(tmp_path / "git")
    farm.start()
    for tag in ("2.0", "v2.0"):
        repository.commit({"a.txt": tag.encode()})
        repository.git("tag", tag)
    assert "has several tags for 2.0" in refusal(lambda: farm.rebase("2.0")).what
    assert farm.rebase("2.0", commit=repository.git("rev-parse", "2.0").strip()).version == "2.0"
    archive = PatchedFarm.create(tmp_path / "archive", archive=True)
    source = archive.root.parent / "sources/sample-1.0.tar.gz"
    source.rename(source.with_name("sample.tar.gz"))
    archive.recipe.write_text(archive.recipe.read_text().replace("sample-1.0.tar.gz", "sample.tar.gz"))
    archive.start()
    error = refusal(lambda: archive.rebase("2.0"))
    assert error.what == "the url of the archive does not say how to find 2.0"


def git_farm(tmp_path: Path) -> tuple[PatchedFarm, Repository]:
    repository = Repository.create(tmp_path / "upstream")
    commit = repository.commit({name: file.content for name, file in SOURCE.items()})
    source = {"kind": "git", "sha256": None, "url": repository.path.as_uri(), "commit": commit}
    return PatchedFarm.create(tmp_path / "work", recipe={"source": source}), repository


class TestRebase:
    def test_onto_a_version_where_all_applies(self, patched: PatchedFarm) -> None:
        patched.save()
        patched.release("2.0", {**SOURCE, "a.txt": File(b"new\n" + SOURCE["a.txt"].content)})
        before = patched.state, patched.git.git("rev-parse", "HEAD")
        assert patched.rebase("2.0", dry_run=True).version == "2.0"
        assert (patched.state, patched.git.git("rev-parse", "HEAD")) == before
        assert patched.git.git("worktree", "list").count("\n") == 1
        found = patched.rebase("2.0")
        assert (found.version, found.patches, found.dropped) == ("2.0", ("Change ten", "Change thirty"), ())
        assert patched.state == before[0]
        plan = patched.save()
        assert plan.written == {FIRST: "changed", SECOND: "changed"}
        table = parse_toml(patched.recipe.read_text())
        assert table["version"] == "2.0"
        assert table["source"]["sha256"] == patched.index.sha256("sample-2.0.tar.gz")
        assert table["patches"][0]["versions"] == ">=1.0,<3"
        (series, *_) = check_patches(patched.patches())
        assert series.patches == (FIRST, SECOND)
        assert not patched.save().changes

    @pytest.mark.slow
    def test_an_archive_whose_url_has_the_version(self, tmp_path: Path) -> None:
        farm = PatchedFarm.create(tmp_path / "work", archive=True)
        farm.start()
        farm.commit("Change ten", {"a.txt": File(edited(10, "ten"))})
        farm.save()
        farm.release("2.0", SOURCE)
        farm.rebase("2.0")
        assert farm.save().written == {}
        assert parse_toml(farm.recipe.read_text())["source"]["url"].endswith("/sample-2.0.tar.gz")

    @pytest.mark.slow
    def test_what_upstream_has_is_left_out(self, patched: PatchedFarm) -> None:
        patched.save()
        patched.release("2.0", {**SOURCE, "a.txt": File(edited(10, "ten"))})
        assert patched.rebase("2.0").dropped == (FIRST,)
        assert patched.save().removed == (FIRST,)

    @pytest.mark.slow
    def test_a_version_that_excludes_a_patch_is_said(self, patched: PatchedFarm) -> None:
        patched.save()
        patched.release("3.0", SOURCE)
        patched.rebase("3.0")
        assert patched.save().warnings == (f'{FIRST}: its versions = ">=1.0,<3" exclude 3.0: widen them',)

    def conflict(self, patched: PatchedFarm) -> PatchedFarm:
        patched.save()
        patched.release("2.0", {**SOURCE, "a.txt": File(edited(10, "zehn"))})
        tried = unchanged(patched, lambda: patched.rebase("2.0", dry_run=True))
        error = refusal(lambda: patched.rebase("2.0"))
        assert tried.what == error.what
        assert error.what == f"{FIRST} conflicts with the new source"
        assert error.why == "these files need a decision:\na.txt"
        assert "inv patch.rebase sample --continue" in str(error.hint)
        return patched

    @pytest.mark.slow
    @pytest.mark.parametrize("way", ["farm", "git"])
    def test_a_conflict_is_resolved(self, way: str, patched: PatchedFarm) -> None:
        farm = self.conflict(patched)
        (farm.tree / "a.txt").write_bytes(edited(10, "ten of 2.0"))
        assert refusal(lambda: farm.resume("continue")).what == f"{FIRST} conflicts with the new source"
        farm.git.git("add", "a.txt")
        if way == "farm":
            assert farm.resume("continue").dropped == ()
        else:
            farm.git.git("-c", "core.editor=true", "rebase", "--continue")
        assert farm.save().written == {FIRST: "changed"}
        assert b"+ten of 2.0" in farm.files[FIRST]
        assert farm.files[FIRST].startswith(HEADER.format("Change ten").strip().encode())
        assert list(check_patches(farm.patches()))

    def test_a_half_finished_rebase_stops_everything_else(self, patched: PatchedFarm) -> None:
        farm = self.conflict(patched)
        for call in (farm.save, lambda: farm.rebase("3.0")):
            assert unchanged(farm, call).what == "the patch tree has a half-finished rebase"
        assert "a half-finished rebase" in str(unchanged(farm, farm.start).why)

    @pytest.mark.slow
    def test_it_goes_back(self, patched: PatchedFarm) -> None:
        patched.save()
        head = patched.git.git("rev-parse", "HEAD")
        farm = self.conflict(patched)
        assert farm.resume("abort").version == "1.0"
        assert farm.git.git("rev-parse", "HEAD") == head
        assert not farm.save().changes
        assert "there is no half-finished rebase" in refusal(lambda: farm.resume("continue")).what

    @pytest.mark.slow
    def test_a_patch_is_skipped(self, patched: PatchedFarm) -> None:
        farm = self.conflict(patched)
        assert farm.resume("skip").dropped == (FIRST,)
        assert farm.save().removed == (FIRST,)

    @pytest.mark.slow
    def test_from_an_older_version_than_the_recipe_has(self, patched: PatchedFarm) -> None:
        """As after a recipe was changed to a new version, for which its patches do not apply."""
        patched.save()
        patched.release("2.0", {**SOURCE, "a.txt": File(b"new\n" + SOURCE["a.txt"].content)})
        text = patched.recipe.read_text().replace('version = "1.0"', 'version = "2.0"')
        old, new = (patched.index.sha256(f"sample-{version}.tar.gz") for version in ("1.0", "2.0"))
        patched.recipe.write_text(text.replace(old, new))
        assert "with an offset" in refusal(lambda: patched.start(discard=True)).what
        patched.start(base="1.0", discard=True)
        assert patched.rebase("2.0").version == "2.0"
        plan = patched.save()
        assert (set(plan.written), plan.recipe) == ({FIRST, SECOND}, None)
        assert list(check_patches(patched.patches()))

    def test_without_patches(self, tmp_path: Path) -> None:
        farm = PatchedFarm.create(tmp_path / "work")
        assert refusal(lambda: farm.rebase("2.0")).what == "sample has no patches"

    @pytest.mark.slow
    def test_a_version_that_is_not_there(self, patched: PatchedFarm) -> None:
        patched.save()
        assert "the index has no sample 9.0" in unchanged(patched, lambda: patched.rebase("9.0")).what
        assert "at 1.0 already" in unchanged(patched, lambda: patched.rebase("1.0")).what
        (patched.tree / "a.txt").write_text("x")
        assert "not committed" in unchanged(patched, lambda: patched.rebase("2.0")).what


@pytest.mark.slow
def test_a_kill_while_the_tree_is_made_leaves_none(
    patched: PatchedFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched.save()
    before = patched.git.git("rev-parse", "HEAD")

    def killed(*_words: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(patch_tree, "apply", killed)
    with pytest.raises(KeyboardInterrupt):
        patched.start()
    monkeypatch.undo()
    (patched.tree.parent / ".draft-sample-left").mkdir()
    assert patched.git.git("rev-parse", "HEAD") == before
    patched.start()
    assert sorted(path.name for path in patched.tree.parent.iterdir()) == ["sample", "sample.lock"]
    with pytest.raises(PatchError):
        patch_save.commit_work(patched.patches(), title="x", why="x", upstream="x")


def test_a_patch_tree_for_two_platforms_is_refused(farm: PatchedFarm) -> None:
    problem = refusal(lambda: farm.patches(platforms=("manylinux_x86_64", "manylinux_aarch64")).target())

    assert isinstance(problem, UsageError)
    assert (problem.what, problem.why) == (
        "a patch tree is for one platform",
        "manylinux_x86_64, manylinux_aarch64 are chosen",
    )
