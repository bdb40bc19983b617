"""[test.suite] and test.downstream: what they may say, and what is wrong with the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import builds_of, make_farm, over
from support.raised import only, raised
from wheelfarm.errors import LockError, RecipeError
from wheelfarm.gate.suite import applicable_failures
from wheelfarm.model import Target
from wheelfarm.recipes.recipe_set import read_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.recipe_set import LoadedRecipe

SUITE = {"args": ["--pyargs", "alpha"]}
KNOWN = {"test": "alpha/tests/test_a.py::test_b", "reason": "the environment has no network"}


def _entry(root: Path, suite: dict[str, Any], **recipe: Any) -> LoadedRecipe:
    table = over({"test": {"suite": over(SUITE, suite)}}, recipe)
    return read_recipes(make_farm(root, {"alpha": table})).find("alpha")


@pytest.mark.parametrize(
    ("suite", "where", "what"),
    [
        ({"arguments": []}, "test.suite.arguments", "unknown key 'arguments'"),
        ({"args": "--pyargs alpha"}, "test.suite.args", "should be a valid list"),
        ({"args": []}, "test.suite", "no arguments for pytest"),
        ({"requires": ["hypothesis>"]}, "test.suite.requires[0]", "not a requirement (PEP 508)"),
        ({"time-limit": 0}, "test.suite.time-limit", ""),
        ({"environment": {"A B": "1"}}, "test.suite.environment", "A B"),
        ({"known-failures": [over(KNOWN, {"reason": None})]}, "known-failures[0].reason", "missing key"),
        ({"known-failures": [over(KNOWN, {"reason": " "})]}, "known-failures[0].reason", ""),
        ({"known-failures": [over(KNOWN, {"test": ""})]}, "known-failures[0].test", ""),
        ({"known-failures": [over(KNOWN, {"platforms": ["lnux"]})]}, "platforms[0]", ""),
        ({"known-failures": [over(KNOWN, {"variants": ["plan"]})]}, "known-failures.plan", "unknown variant"),
        ({"known-failures": [KNOWN, KNOWN]}, "test.suite.known-failures", "is listed twice"),
    ],
)
def test_mistakes_are_errors(tmp_path: Path, suite: dict[str, Any], where: str, what: str) -> None:
    error = only(lambda: _entry(tmp_path, suite), RecipeError)
    assert where in str(error.where)
    assert what in error.what or what in str(error.why)


def test_known_failures_are_for_variants_and_platforms(tmp_path: Path) -> None:
    known = [
        KNOWN,
        over(KNOWN, {"test": "a", "variants": ["netlib"]}),
        over(KNOWN, {"test": "b", "platforms": ["macos"], "run": False}),
    ]
    suite = _entry(tmp_path, {"known-failures": known}).table.test.suite
    assert suite is not None

    def tests(variant: str, target: str) -> list[str]:
        return [
            each.test for each in applicable_failures(suite, variant=variant, target=Target.parse(target))
        ]

    assert tests("plain", "cp311-manylinux_x86_64") == [KNOWN["test"]]
    assert tests("netlib", "cp311-manylinux_x86_64") == [KNOWN["test"], "a"]
    assert tests("plain", "cp311-macosx_arm64") == [KNOWN["test"], "b"]


def test_layers_add_known_failures(tmp_path: Path) -> None:
    more = {"test": {"suite": {"known-failures": [over(KNOWN, {"test": "more"})]}}}
    entry = _entry(tmp_path, {"known-failures": [KNOWN]}, variants={"plain": {"append": more}})
    target = Target.parse("cp311-manylinux_x86_64")
    resolved = entry.resolve(variant="plain", target=target)
    assert resolved.test.suite is not None
    assert [each.test for each in resolved.test.suite.known_failures] == [KNOWN["test"], "more"]
    assert resolved.origins["test.suite.known-failures"].endswith("recipe.toml: variants.plain.append")


def test_the_suite_is_not_of_the_gate(tmp_path: Path) -> None:
    plain = builds_of(make_farm(tmp_path / "plain", {"alpha": {}}))["alpha"]
    with_suite = builds_of(make_farm(tmp_path / "suite", {"alpha": {"test": {"suite": SUITE}}}))["alpha"]
    assert (plain.key, plain.gate_key) == (with_suite.key, with_suite.gate_key)


def test_a_suite_needs_its_lock(tmp_path: Path) -> None:
    entry = _entry(tmp_path, {})
    target = Target.parse("cp311-manylinux_x86_64")
    error = only(lambda: entry.suite_requirements(target), LockError)
    assert "inv recipe.lock" in str(error.hint)
    (entry.directory / "suite.lock").write_text(f"pytest==9.0.0 --hash=sha256:{'c' * 64}\n")
    (requirement,) = replace(entry).suite_requirements(target)
    assert requirement.name == "pytest"


class TestDownstream:
    def recipes(self, root: Path, downstream: list[str]) -> None:
        needs = {"requires": {"run": ["alpha"]}}
        beyond = {"requires": {"run": ["beta"]}}
        recipes = {"alpha": {"test": {"downstream": downstream}}, "beta": needs, "gamma": beyond, "delta": {}}
        read_recipes(make_farm(root, recipes))

    @pytest.mark.parametrize("downstream", [[], ["beta"], ["gamma", "beta"]])
    def test_what_needs_it_to_run(self, tmp_path: Path, downstream: list[str]) -> None:
        self.recipes(tmp_path, downstream)

    def test_what_does_not(self, tmp_path: Path) -> None:
        errors = raised(lambda: self.recipes(tmp_path, ["delta", "betta"]), RecipeError)
        assert [error.what for error in errors] == [
            "'delta' does not need alpha to run",
            "'betta' does not need alpha to run",
        ]
        assert {error.where for error in errors} == {"recipes/alpha/recipe.toml: test.downstream"}
        assert errors[1].hint == "did you mean 'beta'?"
