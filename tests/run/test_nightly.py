"""Nightlies: the newest commit of a branch, as a development version that reproduces and stays apart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from support.door import Door
from support.farm import make_farm
from support.packages import tinyleaf
from support.publishing import TARGETS, VARIANT, publishing_farm, stock, store
from support.raised import only
from support.repositories import Repository
from support.runs import LineListener
from support.tiny import tiny_farm, tiny_index
from wheelfarm.deploy.selection import select_wheels
from wheelfarm.errors import NetworkError, RecipeError, SourceError, UsageError
from wheelfarm.gate.systems import System
from wheelfarm.model import Name, Target
from wheelfarm.provenance.record import Record
from wheelfarm.recipes.nightly import development_version
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.recipes.settings import load
from wheelfarm.run.farm import Farm
from wheelfarm.run.nightlies import find_commits
from wheelfarm.run.publication import Publication
from wheelfarm.run.reproduce import Reproduction
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.outcome import Outcome

LEAF = Name("tinyleaf")


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    repository = Repository.create(tmp_path / "upstream")
    repository.commit({name: text.encode() for name, text in tinyleaf().items()})
    return repository


def nightly_farm(tmp_path: Path, upstream: Repository, **nightly: Any) -> Settings:
    said = {"url": upstream.path.as_uri(), "branch": "main", **nightly}
    index = tiny_index(tmp_path / "index")
    return tiny_farm(tmp_path / "farm", index, {"tinyleaf": {"nightly": said}})


def commit_of(settings: Settings) -> Any:
    (found,) = find_commits(Farm(settings=settings), [LEAF])
    return found


def build(settings: Settings, *, nightly: bool) -> Outcome:
    farm = Farm(settings=settings)
    if nightly:
        farm = Farm(settings=settings, commits=find_commits(farm, [LEAF]))
    lines: list[str] = []
    (outcome,) = farm.run(farm.plan([LEAF]), LineListener(lines))
    assert outcome.error is None, f"{outcome.error}\n{lines[-20:]}"
    return outcome


class TestFindCommits:
    def test_is_the_head_of_the_branch(self, tmp_path: Path, upstream: Repository) -> None:
        settings = nightly_farm(tmp_path, upstream)
        first = commit_of(settings)
        assert first.commit == upstream.git("rev-parse", "HEAD").strip()
        assert first.version == "1.1.dev20200913122640"
        head = upstream.commit({"README": b"more"})
        assert commit_of(settings).commit == head

    def test_a_branch_that_is_not_there(self, tmp_path: Path, upstream: Repository) -> None:
        settings = nightly_farm(tmp_path, upstream, branch="master")
        error = only(lambda: commit_of(settings), SourceError)
        assert (error.what, error.why) == ("the repository has no branch 'master'", "its branches are main")

    def test_a_repository_that_is_not_there(self, tmp_path: Path, upstream: Repository) -> None:
        settings = nightly_farm(tmp_path, upstream, url=(tmp_path / "gone").as_uri())
        error = only(lambda: commit_of(settings), NetworkError)
        assert "gone" in (error.where or "")

    def test_offline(self, tmp_path: Path, upstream: Repository) -> None:
        settings = nightly_farm(tmp_path, upstream, url="https://127.0.0.1:1/x").replace(offline=True)
        error = only(lambda: commit_of(settings), NetworkError)
        assert error.why == "the newest commit of the branch main is looked up there"

    def test_a_recipe_that_names_no_branch(self, tmp_path: Path) -> None:
        farm = Farm(settings=make_farm(tmp_path))
        error = only(lambda: find_commits(farm, [Name("alpha")]), RecipeError)
        assert "names no branch" in error.what
        error = only(lambda: find_commits(farm, None), RecipeError)
        assert error.what == "no recipe has a nightly"


class TestVersion:
    @pytest.mark.parametrize(
        ("version", "leads_to", "expected"),
        [
            ("1.17.1", None, "1.17.2.dev19700101000000"),
            ("1.17.1", "1.18.0", "1.18.0.dev19700101000000"),
            ("2.0rc1", None, "2.0.dev19700101000000"),
            ("1!4", None, "1!5.dev19700101000000"),
            ("1.0.post1", None, "1.1.dev19700101000000"),
        ],
    )
    def test_is_a_development_version_after_the_release(
        self, tmp_path: Path, version: str, leads_to: str | None, expected: str
    ) -> None:
        nightly = {"url": "https://example.org/x", "branch": "main", "version": leads_to}
        table = {"version": version, "nightly": {key: each for key, each in nightly.items() if each}}
        (recipe,) = read_recipes(make_farm(tmp_path, {"alpha": table}))
        found = development_version(recipe, 0)
        assert found == expected
        assert Version(found).is_devrelease

    @pytest.mark.parametrize("leads_to", ["1.0", "0.9", "1.1rc1", "1.1.post1", "1.1+local"])
    def test_of_no_later_release_is_an_error(self, tmp_path: Path, leads_to: str) -> None:
        nightly = {"url": "https://example.org/x", "branch": "main", "version": leads_to}
        recipes = read_recipes(make_farm(tmp_path, {"alpha": {"version": "1.0", "nightly": nightly}}))
        error = only(recipes.check, RecipeError)
        assert (error.where, error.hint) == ("recipes/alpha/recipe.toml: nightly.version", 'version = "1.1"')

    def test_a_source_without_repository_needs_a_url(self, tmp_path: Path) -> None:
        recipes = read_recipes(make_farm(tmp_path, {"alpha": {"nightly": {"branch": "main"}}}))
        assert only(recipes.check, RecipeError).where == "recipes/alpha/recipe.toml: nightly.url"


@pytest.mark.slow
def test_a_nightly_keeps_the_local_version(tmp_path: Path, upstream: Repository) -> None:
    settings = nightly_farm(tmp_path, upstream)
    path = settings.recipes / "tinyleaf/recipe.toml"
    path.write_text(f'{path.read_text()}\n[metadata]\nlocal-version = "team.1"\n')
    outcome = build(load(settings.root, environ=settings.environ), nightly=True)
    assert outcome.wheel is not None
    version = open_wheel(outcome.wheel).version
    assert version == f"{commit_of(settings).version}+team.1"
    assert Version("1.0+team.1") < Version(version) < Version("1.1")


@pytest.mark.slow
def test_a_nightly_beside_its_release(tmp_path: Path, upstream: Repository) -> None:
    settings = nightly_farm(tmp_path, upstream)
    release, nightly = build(settings, nightly=False), build(settings, nightly=True)
    assert release.wheel is not None
    assert nightly.wheel is not None
    wheel = open_wheel(nightly.wheel)
    assert wheel.version == "1.1.dev20200913122640"
    assert nightly.build.key != release.build.key
    wheelhouse = Farm(settings=settings).wheelhouse
    listed = [each.version for each in wheelhouse.current(settings.variant, LEAF)]
    assert listed == ["1.0", "1.1.dev20200913122640"]
    # The same head is not built twice; neither is the release.
    assert build(settings, nightly=True).state.value == "cached"
    assert build(settings, nightly=False).state.value == "cached"
    record = Record.from_json(wheelhouse.record(settings.variant, nightly.build.key), "x")
    assert record.inputs is not None
    pinned = record.inputs.source
    assert (pinned.kind, pinned.branch) == ("git", "main")
    assert pinned.commit == upstream.git("rev-parse", "HEAD").strip()
    # The branch moves on, and the record still has what was built.
    upstream.commit({"README": b"more"})
    (again,) = Reproduction.of(record, settings=settings, wheelhouse=wheelhouse).run(LineListener([]))
    assert again.identical
    assert json.loads(nightly.build.key_parts["source"])["branch"] == "main"


def test_a_plan_says_what_it_would_build(
    tmp_path: Path, upstream: Repository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = Door(nightly_farm(tmp_path, upstream).root, capsys, monkeypatch)
    head, url = upstream.git("rev-parse", "HEAD").strip(), upstream.path.as_uri()
    line = f"tinyleaf: main of {url} is at {head}, whose wheel is 1.1.dev20200913122640\n"
    done = farm.inv("plan", "tinyleaf", "--nightly", "--json")
    assert line in done.stderr
    (planned,) = json.loads(done.stdout)
    assert planned["version"] == "1.1.dev20200913122640"
    assert planned["source"] == {"url": url, "commit": head, "branch": "main"}
    dry = farm.inv("chain", "all", "--nightly", "--dry-run")
    assert (dry.returncode, line in dry.stderr) == (0, True)
    assert not list(farm.root.rglob("*.whl"))


def test_a_deployment_takes_the_release(tmp_path: Path) -> None:
    farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": (tmp_path / "public").as_uri()})
    target = Target.parse(TARGETS[0])
    system = System(title="a system", glibc="2.36", libraries=[], image="image", references=[])
    for version in ("1.0", "1.1.dev20200913122640"):
        store(farm.wheelhouse, "alpha", version)
    (chosen,) = select_wheels(farm, [Name("alpha")], target, system).wheels
    assert chosen.version == "1.0"


class TestPublish:
    def farm(self, tmp_path: Path, **table: Any) -> Publication:
        index = {"kind": "static", "url": (tmp_path / "public").as_uri(), **table}
        farm = publishing_farm(tmp_path / "farm", index)
        stock(farm.wheelhouse)
        for target in ("cp311-manylinux_x86_64", "cp312-manylinux_x86_64"):
            store(farm.wheelhouse, "alpha", "1.1.dev20200913122640", target)
        return Publication(farm=farm, index_name="internal", variant=VARIANT)

    def test_an_index_for_releases_refuses_a_development_version(self, tmp_path: Path) -> None:
        publication = self.farm(tmp_path)
        wanted = {Name("alpha"): "1.1.dev20200913122640"}
        error = only(lambda: publication.publish(wanted), UsageError)
        assert error.what == "internal takes no development versions"
        assert not list(tmp_path.glob("public/**/*.whl"))
        error = only(lambda: publication.check(publication.compare(wanted)), UsageError)
        assert error.where == "tool.wheelfarm.index.internal"

    def test_all_has_the_newest_release(self, tmp_path: Path) -> None:
        done = self.farm(tmp_path).publish()
        assert {each.candidate.version for each in done.to_upload if each.candidate} == {"1.0"}

    def test_an_index_for_development_takes_it(self, tmp_path: Path) -> None:
        done = self.farm(tmp_path, development=True).publish({Name("alpha"): None})
        versions = {each.candidate.version for each in done.to_upload if each.candidate}
        assert versions == {"1.1.dev20200913122640"}
