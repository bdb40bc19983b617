"""A recipe moves to another version: what changes, what is refused, and that nothing is half-done."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.archives import digest
from support.faults import Fault, proxy
from support.index import make_index
from support.patched import SOURCE, File, PatchedFarm, edited
from support.raised import only
from support.repositories import Repository
from support.servers import directory_server
from support.wheels import make_wheel
from wheelfarm.build.host_engine import programs_environment
from wheelfarm.errors import FarmError, LockError, PatchError, RecipeError, SourceError, WheelhouseError
from wheelfarm.recipes.draft.release import Policy
from wheelfarm.recipes.locks import parse_lock
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.recipes.recipe_text import edit_recipe
from wheelfarm.recipes.settings import load
from wheelfarm.run import bump, bump_files
from wheelfarm.run.bump import Bump, Bumper, restore_killed
from wheelfarm.run.newer_source import NewerSource
from wheelfarm.run.services import make_fetcher
from wheelfarm.system.files import write_if_changed

if TYPE_CHECKING:
    from collections.abc import Mapping

PYPROJECT: Final = b"""\
[build-system]
requires = ["setuptools"]
build-backend = "own"
backend-path = ["."]

[project]
name = "sample"
version = "%s"
"""
BASE: Final[Mapping[str, File]] = {**SOURCE, "own.py": File(b"")}
RECIPE_LINES: Final = """\
# The recipe of a test.
name = "sample"
version = '1.0'  # the version
summary = "a small thing"

# Where it comes from.
[source]
sha256 =   "{sha256}"   # of the index
kind = "sdist"

[test]
smoke = "smoke.py"  # a script
"""
SMOKE: Final = 'assert version("sample") == "1.0", version("sample")\n'


def source_of(version: str, **files: File | None) -> dict[str, File]:
    """The files of a release; `a_txt` and the like stand for names."""
    named = {name.replace("_", "."): file for name, file in files.items()}
    found = {**BASE, "pyproject.toml": File(PYPROJECT % version.encode()), **named}
    return {name: file for name, file in found.items() if file is not None}


@dataclass
class BumpedFarm:
    """The farm, and what the task does."""

    farm: PatchedFarm

    def bumper(self, **changes: Any) -> Bumper:
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.farm.root / "home")}
        settings = load(self.farm.root, environ=environ).replace(**changes)
        policy = Policy(
            pythons=settings.pythons, now=datetime.now(UTC), min_age=timedelta(7), command="inv recipe.bump"
        )
        return Bumper(
            settings=settings,
            recipes=read_recipes(settings),
            fetcher=make_fetcher(settings),
            # uv would wait for seconds between its attempts.
            env={**programs_environment(settings), "UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1"},
            policy=policy,
        )

    def bump(self, version: str | None = None, **options: Any) -> Bump:
        found = self.try_bump(version, **options)
        assert isinstance(found, Bump)
        return found

    def try_bump(
        self,
        version: str | None = None,
        *,
        leave_out: bool = False,
        keep: bool = False,
        dry_run: bool = False,
        **changes: Any,
    ) -> Bump | NewerSource:
        bumper = replace(self.bumper(**changes), leave_out=leave_out, keep=keep)
        return bumper.bump(bumper.recipes.find("sample"), version, dry_run=dry_run)

    def die_after(self, count: int) -> int:
        """Bump in a process that is killed after some of its writes; gives its exit code."""
        pid = os.fork()
        if not pid:
            write, done = bump_files._write, list[Path]()

            def die(path: Path, content: bytes | None) -> None:
                if len(done) == count:
                    os._exit(9)
                done.append(path)
                write(path, content)

            bump_files._write = die
            with suppress(Exception):
                self.bump()
            os._exit(9 if len(done) == count else 1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    @property
    def state(self) -> dict[str, bytes]:
        """All files of the farm that a bump may write."""
        root = self.farm.root
        return {
            str(path.relative_to(root)): path.read_bytes()
            for name in ("recipes", "patches", "changelog.d")
            for path in sorted((root / name).rglob("*"))
            if path.is_file()
        }


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> PatchedFarm:
    """A farm with a recipe for 1.0, two patches of a.txt, and 2.0 on the index."""
    root = tmp_path_factory.mktemp("template") / "work"
    farm = PatchedFarm.create(root, source_of("1.0"))
    made = make_index(root / "build-index")
    farm.index.add(*(made.root / "files").iterdir(), make_wheel(root, "colorama", "1.0", {}))
    sha256 = farm.index.sha256("sample-1.0.tar.gz")
    farm.recipe.write_bytes(RECIPE_LINES.format(sha256=sha256).encode())
    farm.recipe.with_name("smoke.py").write_text(SMOKE)
    (farm.root / "changelog.d").mkdir()
    farm.start()
    farm.commit("Change ten", {"a.txt": File(edited(10, "ten"))})
    farm.commit("Change thirty", {"a.txt": File(edited(30, "thirty", edited(10, "ten")))})
    farm.save()
    return farm


@pytest.fixture
def bumped(template: PatchedFarm, tmp_path: Path) -> BumpedFarm:
    return BumpedFarm(template.copy(tmp_path / "work"))


def fates(done: Bump) -> dict[str, str]:
    return {each.file: each.fate for each in done.patches}


FIRST, SECOND = "0001-change-ten.patch", "0002-change-thirty.patch"


def test_only_the_lines_of_the_source_change(bumped: BumpedFarm) -> None:
    bumped.farm.release("2.0", source_of("2.0"))
    before = bumped.state
    done = bumped.bump()
    sha256 = bumped.farm.index.sha256
    text = before["recipes/sample/recipe.toml"].decode()
    expected = text.replace("'1.0'", '"2.0"').replace(
        sha256("sample-1.0.tar.gz"), sha256("sample-2.0.tar.gz")
    )
    after = bumped.state
    assert after["recipes/sample/recipe.toml"].decode() == expected
    assert after["recipes/sample/smoke.py"].decode() == SMOKE.replace("1.0", "2.0")
    assert (done.old, done.new, fates(done)) == ("1.0", "2.0", dict.fromkeys((FIRST, SECOND), "applies"))
    assert done.files == {
        "changelog.d/+bump-sample.changed.md": "new",
        "recipes/sample/build.lock": "changed",
        "recipes/sample/recipe.toml": "changed",
        "recipes/sample/smoke.py": "changed",
    }
    assert {each.name for each in parse_lock(bumped.farm.recipe.with_name("build.lock"))} >= {"setuptools"}
    assert after["changelog.d/+bump-sample.changed.md"].decode() == "`sample` 1.0 → 2.0.\n"
    assert any("no dates" in note for note in done.notes)
    # The whole farm is well, with the locks of the new version.
    read_recipes(load(bumped.farm.root)).check()
    assert isinstance(bumped.try_bump(), NewerSource)


@pytest.mark.slow
def test_a_dry_run_and_a_search_change_nothing(bumped: BumpedFarm) -> None:
    bumped.farm.release("2.0", source_of("2.0"))
    before = bumped.state
    done = bumped.bump(dry_run=True)
    assert (done.new, bumped.state) == ("2.0", before)
    bumper = bumped.bumper()
    found = bumper.find(bumper.recipes.find("sample"))
    assert found.source is not None
    assert (found.source.version, bumped.state) == ("2.0", before)


@pytest.mark.slow
def test_patches_move_with_the_lines_and_go_where_the_source_has_them(bumped: BumpedFarm) -> None:
    moved = b"a new first line\n" + edited(10, "ten")
    bumped.farm.release("2.0", source_of("2.0", a_txt=File(moved)))
    done = bumped.bump()
    assert fates(done) == {FIRST: "no longer needed", SECOND: "refreshed"}
    assert done.files[f"patches/sample/{FIRST}"] == "removed"
    assert list(bumped.farm.files) == [SECOND]
    assert FIRST not in bumped.farm.recipe.read_text()
    assert bumped.state["changelog.d/+bump-sample.changed.md"].decode() == (
        f"`sample` 1.0 → 2.0: `{FIRST}` is no longer needed, `{SECOND}` is refreshed.\n"
    )
    # They apply exactly now.
    read_recipes(load(bumped.farm.root)).check()
    bumped.farm.release("3.0", source_of("3.0", a_txt=File(moved)))
    assert fates(bumped.bump()) == {SECOND: "applies"}
    assert bumped.state["changelog.d/+bump-sample.changed.md"].decode().endswith("`sample` 2.0 → 3.0.\n")


@pytest.mark.slow
def test_a_local_version_goes_with_the_last_patch(bumped: BumpedFarm) -> None:
    recipe, smoke = bumped.farm.recipe, bumped.farm.recipe.with_name("smoke.py")
    text = recipe.read_text()
    recipe.write_text(text + '\n[metadata]\nlocal-version = "team.1"\n')
    smoke.write_text(SMOKE.replace("1.0", "1.0+team.1"))
    bumped.farm.release("2.0", source_of("2.0"))
    done = bumped.bump()
    assert fates(done) == dict.fromkeys((FIRST, SECOND), "applies")
    assert 'local-version = "team.1"' in recipe.read_text()
    assert smoke.read_text() == SMOKE.replace("1.0", "2.0+team.1")
    both = edited(30, "thirty", edited(10, "ten"))
    bumped.farm.release("3.0", source_of("3.0", a_txt=File(both)))
    done = bumped.bump()
    assert fates(done) == dict.fromkeys((FIRST, SECOND), "no longer needed")
    assert 'metadata.local-version = "team.1" is dropped: no patch is left' in done.notes
    assert "metadata" not in recipe.read_text()
    assert smoke.read_text() == SMOKE.replace("1.0", "3.0")


def test_a_conflict_names_the_commands_and_changes_nothing(bumped: BumpedFarm) -> None:
    bumped.farm.release("2.0", source_of("2.0", a_txt=File(edited(30, "dreißig"))))
    before = bumped.state
    error = only(bumped.bump, PatchError)
    assert error.what == f"{SECOND} conflicts with the new source"
    assert error.where == "recipes/sample/recipe.toml: 1.0 to 2.0"
    assert "inv patch.rebase sample --onto=2.0" in str(error.hint)
    assert bumped.state == before


@pytest.mark.slow
def test_the_patches_of_each_variant_move(bumped: BumpedFarm) -> None:
    text = bumped.farm.recipe.read_text()
    for file, variant in ((FIRST, "plain"), (SECOND, "netlib")):
        text = text.replace(f'"{file}"', f'"{file}"\nvariants = ["{variant}"]')
    bumped.farm.recipe.write_text(text)
    # Each applies without the other one.
    patch = bumped.farm.root / "patches/sample" / SECOND
    bumped.farm.release("2.0", source_of("2.0", a_txt=File(b"new\n" + SOURCE["a.txt"].content)))
    assert b"@@ -27,7 +27,7 @@" in patch.read_bytes()
    assert fates(bumped.bump()) == {FIRST: "refreshed", SECOND: "refreshed"}
    assert b"@@ -28,7 +28,7 @@" in patch.read_bytes()


@pytest.mark.slow
def test_a_patch_for_other_versions_is_refused_or_left_out(bumped: BumpedFarm) -> None:
    text = bumped.farm.recipe.read_text()
    bumped.farm.recipe.write_text(text.replace(f'"{SECOND}"', f'"{SECOND}"\nversions = "<2"'))
    bumped.farm.release("2.0", source_of("2.0"))
    before = bumped.state
    error = only(bumped.bump, PatchError)
    assert error.why == f'{SECOND}: its versions = "<2" exclude 2.0'
    assert "--leave-out" in str(error.hint)
    assert bumped.state == before
    assert fates(bumped.bump(leave_out=True)) == {FIRST: "applies", SECOND: "left out"}
    assert list(bumped.farm.files) == [FIRST]


@pytest.mark.slow
def test_a_requirement_that_does_not_resolve_changes_nothing(bumped: BumpedFarm) -> None:
    pyproject = (PYPROJECT % b"2.0").replace(b'"setuptools"', b'"setuptools", "absent"')
    bumped.farm.release("2.0", source_of("2.0", pyproject_toml=File(pyproject)))
    before = bumped.state
    only(bumped.bump, LockError)
    assert bumped.state == before


@pytest.mark.slow
def test_the_old_version_stays_where_that_is_wanted(bumped: BumpedFarm) -> None:
    bumped.farm.release("2.0", source_of("2.0"))
    before = bumped.state
    files = bumped.bump(keep=True).files
    below = "recipes/sample/versions/1.0"
    for file in ("recipe.toml", "smoke.py", "build.lock"):
        assert bumped.state[f"{below}/{file}"] == before[f"recipes/sample/{file}"]
    for file in (FIRST, SECOND):
        assert bumped.state[f"{below}/patches/{file}"] == before[f"patches/sample/{file}"]
    assert [file for file, kind in files.items() if kind == "new" and file.startswith(below)]
    older = load(bumped.farm.root).replace(versions={"sample": "1.0"})
    assert read_recipes(older).find("sample").table.version == "1.0"
    before = bumped.state
    error = only(lambda: bumped.bump("1.0"), RecipeError)
    assert (error.what, error.where) == ("there is a recipe for sample 1.0 already", below)
    assert bumped.state == before


@pytest.mark.slow
def test_a_lock_without_requirements_goes(bumped: BumpedFarm) -> None:
    bumped.farm.recipe.with_name("test.lock").write_text("")
    bumped.farm.release("2.0", source_of("2.0"))
    assert bumped.bump().files["recipes/sample/test.lock"] == "removed"


@pytest.mark.slow
def test_a_version_that_is_named_may_be_older(bumped: BumpedFarm) -> None:
    bumped.farm.release("0.9", source_of("0.9"))
    assert bumped.bump("0.9").new == "0.9"
    assert isinstance(bumped.try_bump("0.9"), NewerSource)
    error = only(lambda: bumped.bump("7"), SourceError)
    assert error.what == "the index has no sample 7"


@pytest.mark.slow
def test_a_file_that_names_the_old_version_is_reported(bumped: BumpedFarm) -> None:
    bumped.farm.recipe.with_name("profile.py").write_text("# for 1.0.\n")
    bumped.farm.recipe.with_name("other.py").write_text("# 11.0, 1.0.1, 1.01\n")
    bumped.farm.release("2.0", source_of("2.0"))
    notes = [note for note in bumped.bump().notes if "names" in note]
    assert notes == ["recipes/sample/profile.py names 1.0 still"]


def test_another_run_is_refused_and_an_edit_meanwhile_is_not_lost(
    bumped: BumpedFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    bumped.farm.release("2.0", source_of("2.0"))
    with bumped.farm.patches().locked():
        assert "another run" in only(bumped.bump, PatchError).what
    line = bump_files.changelog_line

    def edit(*words: Any) -> str:
        with bumped.farm.recipe.open("a") as stream:
            stream.write("# an edit\n")
        return line(*words)

    monkeypatch.setattr(bump, "changelog_line", edit)
    assert only(bumped.bump, RecipeError).what == "the recipe of sample has changed meanwhile"
    assert bumped.farm.recipe.read_text().endswith("# an edit\n")
    assert "'1.0'" in bumped.farm.recipe.read_text()


@pytest.mark.slow
def test_a_killed_bump_is_taken_back(template: PatchedFarm, tmp_path: Path) -> None:
    released = template.copy(tmp_path / "released")
    released.release("2.0", source_of("2.0", a_txt=File(b"a new first line\n" + edited(10, "ten"))))
    whole = BumpedFarm(released.copy(tmp_path / "whole"))
    before, files = whole.state, whole.bump().files
    assert set(files.values()) == {"new", "changed", "removed"}
    for count in (0, 1, len(files) // 2, len(files) - 1):
        killed = BumpedFarm(released.copy(tmp_path / f"killed-{count}"))
        assert killed.die_after(count) == 9
        assert (killed.state == before) is (count == 0)
        assert all(
            content in {before.get(name), whole.state.get(name)} for name, content in killed.state.items()
        )
        restore_killed(killed.bumper().settings)
        assert killed.state == before
        assert killed.bump().files == files
        assert killed.state == whole.state


@pytest.mark.slow
def test_an_edit_after_a_kill_is_not_taken_back(bumped: BumpedFarm, caplog: pytest.LogCaptureFixture) -> None:
    bumped.farm.release("2.0", source_of("2.0"))
    settings = bumped.bumper().settings
    assert bumped.die_after(1) == 9
    bumped.farm.recipe.write_bytes(bumped.farm.recipe.read_bytes() + b"# edited")
    before = bumped.state
    with bumped.farm.patches().locked():
        restore_killed(settings)
        assert not caplog.records
    restore_killed(settings)
    assert "recipe.toml has changed since: nothing is restored" in caplog.text
    assert bumped.state == before


@pytest.mark.slow
def test_a_write_that_fails_is_taken_back(bumped: BumpedFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    bumped.farm.release("2.0", source_of("2.0"))
    before, write, calls = bumped.state, write_if_changed, list[Path]()

    def fail(path: Path, content: bytes) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise WheelhouseError("the disk is full")
        write(path, content)

    monkeypatch.setattr(bump_files, "write_if_changed", fail)
    only(bumped.bump, WheelhouseError)
    assert bumped.state == before
    assert len(calls) > 3


@pytest.mark.slow
def test_a_network_that_drops_at_any_request_changes_nothing(bumped: BumpedFarm) -> None:
    farm = bumped.farm
    farm.release("2.0", source_of("2.0"))
    before = bumped.state
    with directory_server(farm.index.root) as host, proxy(f"http://{host}/") as between:
        url = f"{between.url}simple/"
        # At the first requests each, then at some.
        for after in (0, 1, 2, 3, 5, 8, 12, 17, 25, 1000):
            between.faults = [Fault(method="*", times=10_000, after=after, cut_answer=True)]
            shutil.rmtree(farm.root / "cache", ignore_errors=True)
            try:
                done = bumped.bump(index_url=url)
            except FarmError:
                assert bumped.state == before
            else:
                break
    assert done.new == "2.0"
    assert after > 5


@pytest.mark.slow
def test_tags_of_a_repository_are_versions(bumped: BumpedFarm, tmp_path: Path) -> None:
    upstream = Repository.create(tmp_path / "upstream")
    commits = {}
    for version in ("1.0", "1.10", "2.0rc1", "1.9"):
        commits[version] = upstream.commit({name: file.content for name, file in source_of(version).items()})
        upstream.git("tag", f"v{version}")
    upstream.git("tag", "nightly")
    text = bumped.farm.recipe.read_text()
    line = next(line for line in text.splitlines() if line.startswith("sha256"))
    url = f'url = "{upstream.path.as_uri()}"'
    text = text.replace(line, f'commit = "{commits["1.0"]}"  # of the tag\n{url}').replace('"sdist"', '"git"')
    bumped.farm.recipe.write_text(text)
    done = bumped.bump()
    assert done.new == "1.10"
    assert any("the tags of sample have no dates" in note for note in done.notes)
    assert f'commit = "{commits["1.10"]}"  # of the tag' in bumped.farm.recipe.read_text()
    assert bumped.bump("2.0rc1").new == "2.0rc1"


@pytest.mark.slow
def test_an_archive_has_no_list_of_versions(bumped: BumpedFarm) -> None:
    farm = bumped.farm
    url = (farm.root.parent / "sources/sample-1.0.tar.gz").as_uri()
    text = farm.recipe.read_text().replace('kind = "sdist"', f'kind = "archive"\nurl = "{url}"')
    farm.recipe.write_text(text)
    farm.release("2.0", source_of("2.0"))
    found = bumped.try_bump()
    assert isinstance(found, NewerSource)
    assert (found.known, found.source) == (False, None)
    assert "inv recipe.bump sample==VERSION" in found.notes[0]
    assert bumped.bump("2.0").new == "2.0"
    assert url.replace("1.0", "2.0") in farm.recipe.read_text()


@pytest.mark.slow
def test_a_public_wheel_moves_to_a_newer_one(bumped: BumpedFarm, tmp_path: Path) -> None:
    farm = bumped.farm
    wheels = [make_wheel(tmp_path, "sample", version, {"sample.py": b""}) for version in ("1.0", "2.0")]
    farm.index.add(*wheels)
    (farm.root / "patches/sample" / FIRST).unlink()
    (farm.root / "patches/sample" / SECOND).unlink()
    sha256 = digest(wheels[0].read_bytes())
    farm.recipe.write_text(
        f'name = "sample"\nversion = "1.0"\nsummary = "x"\ncompilers = []\n'
        f'source = {{ kind = "wheel", sha256 = "{sha256}" }} # pure\n'
    )
    assert bumped.bump().new == "2.0"
    sha256 = digest(wheels[1].read_bytes())
    assert f'source = {{ kind = "wheel", sha256 = "{sha256}" }} # pure' in farm.recipe.read_text()


@given(
    order=st.permutations(["version", "name", "summary", "# a comment", ""]),
    quotes=st.sampled_from("'\""),
    spaces=st.sampled_from(["", " ", "\t "]),
    comment=st.sampled_from(["", " # why", "#x"]),
    source=st.sampled_from(
        [
            "[source]{end}kind = 'sdist'{end}sha256{s}={s}{q}1{q}{c}{end}",
            'source = {{ kind = "sdist",{s}sha256 = {q}1{q} }}{c}{end}',
            'source.sha256 = {q}1{q}{c}{end}source.kind = "sdist"{end}',
        ]
    ),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_all_but_the_values_stays_byte_for_byte(  # noqa: PLR0917
    order: list[str], quotes: str, spaces: str, comment: str, source: str, end: str
) -> None:
    lines = {"version": f"version{spaces}={spaces}{quotes}1.0{quotes}{comment}"}
    lines |= {name: f'{name} = "{name}"' for name in ("name", "summary")}
    head = "".join(f"{lines.get(each, each)}{end}" for each in order)
    text = head + source.format(s=spaces, q=quotes, c=comment, end=end)
    edited = edit_recipe(
        text, files=[], pins={("version",): "2.0", ("source", "sha256"): "2"}, where="a test"
    )
    expected = text.replace(f"{quotes}1.0{quotes}", '"2.0"').replace(f"{quotes}1{quotes}", '"2"')
    assert edited == expected
