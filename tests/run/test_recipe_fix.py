"""An edit that a failure proposes changes the recipe and its locks, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from support.failing import FAILING, failing_farm, failing_index
from wheelfarm.build.proposals import make_proposal
from wheelfarm.errors import BuildError, FarmError, LockError, Proposal, RecipeError
from wheelfarm.recipes.settings import load
from wheelfarm.run import recipe_fix
from wheelfarm.run.farm import Farm
from wheelfarm.run.last_proposal import adapt_proposal
from wheelfarm.run.recipe_fix import RecipeFix, plan_fix, write_fix
from wheelfarm.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VARIABLE: Final = {"environment": {"A": "b"}}


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    index = failing_index(tmp_path / "index", {"ownscm": FAILING["ownscm"]})
    return Farm(settings=load(failing_farm(tmp_path / "farm", index, "ownscm")))


def proposal(farm: Farm, values: Mapping[str, Any]) -> Proposal:
    found = make_proposal(values, farm.recipes.find("ownscm"))
    assert found is not None
    return found


def contents(farm: Farm) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (farm.settings.recipes / "ownscm").iterdir()}


def test_planning_writes_nothing(farm: Farm) -> None:
    before = contents(farm)
    fix = plan_fix(farm, proposal(farm, VARIABLE))
    assert contents(farm) == before
    assert fix.locks == {}
    assert fix.diff[:2] == ("--- a/recipes/ownscm/recipe.toml", "+++ b/recipes/ownscm/recipe.toml")
    assert fix.diff[-2:] == ("+[environment]", '+A = "b"')


@pytest.mark.slow
def test_an_edit_of_requirements_brings_its_lock(farm: Farm) -> None:
    fix = plan_fix(farm, proposal(farm, {"build-requires": {"add": ["packaging"]}}))
    write_fix(fix)
    text = contents(farm)["build.lock"].decode()
    assert '# add = ["packaging"]' in text
    assert "packaging==" in text
    assert b'add = ["packaging"]' in contents(farm)["recipe.toml"]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"compilers": ["rust"]}, RecipeError),
        ({"environment": {"A": ["b"]}}, RecipeError),
        ({"requires": {"host": ["beta"]}}, RecipeError),
        ({"name": {"a": "b"}}, RecipeError),
        ({"build-requires": {"add": ["nobody-has-this"]}}, LockError),
        ({"build-requires": {"replace": {"cython": "cython<3"}}}, RecipeError),
    ],
)
def test_an_edit_that_the_checks_refuse_changes_nothing(
    farm: Farm, values: dict[str, Any], error: type[FarmError]
) -> None:
    before = contents(farm)
    wanted = Proposal(
        name="ownscm",
        package="ownscm",
        where="recipe.toml",
        values=values,
        lines=(),
        relock="build" in str(values),
    )
    with pytest.raises(FarmError) as caught:
        plan_fix(farm, wanted)
    assert isinstance(caught.value, error), caught.value
    assert contents(farm) == before


def test_a_lock_that_cannot_be_written_changes_nothing(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(farm)
    fix = plan_fix(farm, proposal(farm, VARIABLE))

    def fail(path: Path, data: bytes, noun: str) -> None:
        if path.name == "test.lock":
            raise BuildError("the disk is full")
        write_atomically(path, data, noun)

    monkeypatch.setattr(recipe_fix, "write_atomically", fail)
    full = RecipeFix(**{**vars(fix), "locks": {"build.lock": "new", "suite.lock": "new", "test.lock": ""}})
    with pytest.raises(BuildError):
        write_fix(full)
    assert contents(farm) == before


def test_a_recipe_that_somebody_edits_meanwhile_is_theirs(farm: Farm) -> None:
    fix = plan_fix(farm, proposal(farm, VARIABLE))
    path = farm.settings.recipes / "ownscm" / "recipe.toml"
    path.write_text(path.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    before = contents(farm)
    with pytest.raises(RecipeError, match="has changed"):
        write_fix(fix)
    assert contents(farm) == before


@pytest.mark.parametrize(
    ("added", "values"),
    [
        (["ownscm"], {"requires": {"host": ["ownscm"]}}),
        (["ownscm", "cython"], {"build-requires": {"add": ["cython"]}, "requires": {"host": ["ownscm"]}}),
        (["ownscm<2", "cython"], {"build-requires": {"add": ["cython"]}}),
        (["ownscm<2"], None),
        (["cython"], {"build-requires": {"add": ["cython"]}}),
    ],
)
def test_a_missing_requirement_that_the_farm_builds_is_its_wheel(
    farm: Farm, added: list[str], values: dict[str, Any] | None
) -> None:
    (build,) = farm.plan(None).builds
    error = BuildError("it failed")
    error.proposal = proposal(farm, {"build-requires": {"add": added}})
    adapt_proposal(error, build, farm.recipes)
    found: Proposal | None = error.proposal
    assert (found and found.values) == values
