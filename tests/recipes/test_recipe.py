"""Recipes as written: what is refused, with its key path, and what the values mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import builds_of, make_farm, over
from support.raised import only, raised
from wheelfarm.errors import FarmError, LockError, PatchError, RecipeError, SettingsError
from wheelfarm.gate.suite import applicable_failures
from wheelfarm.model import Archive, Digest, GitCommit, Sdist, Source, Target
from wheelfarm.recipes.recipe_set import read_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.loaded_recipe import LoadedRecipe

SHA = "a" * 64
COMMIT = "0123456789" * 4
GIT = {"kind": "git", "url": "u", "commit": COMMIT, "submodules": True, "sha256": None}


def _entry(root: Path, table: dict[str, Any]) -> LoadedRecipe:
    return read_recipes(make_farm(root, {"alpha": table})).find("alpha")


def _problem(root: Path, table: dict[str, Any]) -> FarmError:
    return only(lambda: _entry(root, table), RecipeError)


@pytest.mark.parametrize(
    ("table", "where", "what", "hint"),
    [
        ({"sumary": "x"}, "sumary", "unknown key 'sumary'", "did you mean 'summary'?"),
        ({"summary": None}, "summary", "missing key 'summary'", "add 'summary'"),
        ({"source": {"sha256": None}}, "source.sha256", "missing key 'sha256'", "add 'sha256'"),
        (
            {"source": {"kind": "archive", "url": "u", "sha256": None}},
            "source.sha256",
            "missing key 'sha256'",
            "add 'sha256'",
        ),
        ({"source": {"sha265": SHA}}, "source.sha265", "unknown key 'sha265'", "did you mean 'sha256'?"),
        ({"source": {"kind": None}}, "source", "missing key 'kind'", None),
        ({"source": {"kind": "sdits"}}, "source", "bad value 'sdits' of 'kind'", "did you mean 'sdist'?"),
        ({"expect": {"blas": "opemblas"}}, "expect.blas", "bad value 'opemblas'", "did you mean 'openblas'?"),
        ({"compilers": ["c", "rust"]}, "compilers[1]", "bad value 'rust'", "valid are: c, c++, fortran"),
        (
            {"patches": [{"fle": "x", "file": "x"}]},
            "patches[0].fle",
            "unknown key 'fle'",
            "did you mean 'file'?",
        ),
        (
            {"platforms": {"linx": {}}},
            "platforms.linx",
            "bad key 'linx'",
            "did you mean 'linux'?",
        ),
        (
            {"variants": {"plain": {"append": {"expct": {}}}}},
            "variants.plain.append.expct",
            "unknown key 'expct'",
            "did you mean 'expect'?",
        ),
        (
            {"variants": {"plain": {"append": {"metadata": {"local-version": "team.1"}}}}},
            "variants.plain.append.metadata",
            "unknown key 'metadata'",
            "a recipe says metadata once, for all variants, platforms and targets",
        ),
        (
            {"targets": {"*": {"apend": {}}}},
            "targets.*.apend",
            "unknown key 'apend'",
            "did you mean 'append'?",
        ),
        (
            {"system-packages": {"yum": []}},
            "system-packages.yum",
            "unknown key 'yum'",
            "valid are: apt, dnf",
        ),
    ],
)
def test_words_that_are_not_known(
    tmp_path: Path, table: dict[str, Any], where: str, what: str, hint: str | None
) -> None:
    error = _problem(tmp_path, table)
    assert (error.where, error.what, error.hint) == (f"recipes/alpha/recipe.toml: {where}", what, hint)


@pytest.mark.parametrize(
    ("table", "where", "why"),
    [
        ({"blas": "yes"}, "blas", "true or false is expected"),
        ({"blas": 1}, "blas", "true or false is expected"),
        ({"summary": 3}, "summary", "a text in quotes is expected"),
        ({"version": 1.0}, "version", "a text in quotes is expected"),
        ({"requires": ["numpy"]}, "requires", "a table is expected"),
        ({"environment": {"A": 1}}, "environment.A", "a text in quotes is expected"),
        ({"test": {"time-limit": 0}}, "test.time-limit", "Input should be greater than 0"),
        (
            {"config-settings": {"a": 3}},
            "config-settings.a",
            "a text in quotes is expected, or: a list is expected",
        ),
        ({"config-settings": {"a": ["x", 4]}}, "config-settings.a[1]", "a text in quotes is expected"),
        ({"name": "al pha"}, "name", "'al pha' is not a distribution name"),
        ({"requires": {"host": ["-x"]}}, "requires.host[0]", "'-x' is not a distribution name"),
        ({"requires": {"run": ["x/y"]}}, "requires.run[0]", "'x/y' is not a distribution name"),
        ({"version": "one"}, "version", "'one' is not a version (PEP 440)"),
        ({"python": "3.11+"}, "python", "'3.11+' is not a version range (PEP 440)"),
        ({"source": {"sha256": "a" * 63}}, "source.sha256", "is not a sha256"),
        ({"source": {"sha256": "g" * 64}}, "source.sha256", "is not a sha256"),
        ({"build-requires": {"add": ["a b"]}}, "build-requires.add[0]", "is not a requirement (PEP 508)"),
        ({"build-requires": {"loosen": ["a>1"]}}, "build-requires.loosen[0]", "not a distribution name"),
        ({"patches": [{"file": "/etc/x"}]}, "patches[0].file", "relative to its directory"),
        ({"patches": [{"file": "../x"}]}, "patches[0].file", "relative to its directory"),
        ({"patches": [{"file": "a\\b"}]}, "patches[0].file", "relative to its directory"),
        ({"patches": [{"file": ""}]}, "patches[0].file", "relative to its directory"),
        ({"patches": [{"file": "x", "versions": "new"}]}, "patches[0].versions", "not a version range"),
        (
            {"test": {"imports": ["a-b"]}},
            "test.imports[0]",
            "it is not a module's name, such as numpy.linalg",
        ),
        ({"environment": {"A=B": ""}}, "environment.A=B", "it is not a variable's name"),
        ({"config-settings": {"a=b": ""}}, "config-settings.a=b", "it is not a name without '='"),
        ({"config-settings": {"": ""}}, "config-settings.", "it is not a name without '='"),
        ({"environment": {"A\n": ""}}, "environment.A\n", "it is not a variable's name"),
        ({"compiler-flags": {"*/x.o": ["-O3"]}}, "compiler-flags.*/x.o", "not begin with a wildcard"),
        ({"compiler-flags": {"x.o": ["O3"]}}, "compiler-flags.x.o[0]", "an option of a compiler"),
        ({"cost": "5 hours"}, "cost", "it is not a duration such as 40 s or 8 min"),
        ({"isolation-reason": " \n"}, "isolation-reason", "it is not a reason in words"),
        *(
            (
                {"source": {"kind": "git", "url": "u", "commit": text, "sha256": None}},
                "source.commit",
                "full hash",
            )
            for text in ("main", COMMIT[:12], COMMIT.replace("0", "g"), COMMIT + "0")
        ),
    ],
)
def test_bad_values(tmp_path: Path, table: dict[str, Any], where: str, why: str) -> None:
    error = _problem(tmp_path, table)
    assert error.where == f"recipes/alpha/recipe.toml: {where}"
    assert error.what.startswith("bad ")
    assert why in str(error.why)
    assert "Value error" not in str(error.why)


def test_all_problems_of_all_recipes_come_at_once(tmp_path: Path) -> None:
    tables: dict[str, Any] = {
        "one": {"blas": 1, "x": 1, "source": {"sha256": None}},
        "two": {"version": "?"},
        "three": {"name": "four"},
    }
    errors = raised(lambda: read_recipes(make_farm(tmp_path, tables)).check(), RecipeError)
    assert [(error.where, error.what) for error in errors] == [
        ("recipes/one/recipe.toml: source.sha256", "missing key 'sha256'"),
        ("recipes/one/recipe.toml: blas", "bad value 1"),
        ("recipes/one/recipe.toml: x", "unknown key 'x'"),
        ("recipes/three/recipe.toml: name", "the recipe in 'three' is for 'four'"),
        ("recipes/two/recipe.toml: version", "bad value '?'"),
    ]


def test_a_recipe_that_is_not_toml(tmp_path: Path) -> None:
    settings = make_farm(tmp_path, files={"recipes/alpha/recipe.toml": "name ="})
    error = only(lambda: read_recipes(settings).check(), RecipeError)
    assert error.where == str(tmp_path / "recipes/alpha/recipe.toml")


def test_the_farms_defaults_are_strict_too(tmp_path: Path) -> None:
    error = only(lambda: make_farm(tmp_path, settings={"defaults": {"enviroment": {}}}), SettingsError)
    assert error.where == "pyproject.toml: tool.wheelfarm: defaults.enviroment"
    assert error.hint == "did you mean 'environment'?"


def test_names_and_digests_are_normalised(tmp_path: Path) -> None:
    entry = read_recipes(
        make_farm(tmp_path, {"a-b": {"name": "A_B", "source": {"sha256": SHA.upper()}}})
    ).find("A.b")
    assert entry.name == "a-b"
    assert entry.source == Sdist(version="1.0", sha256=entry.source.sha256)  # type: ignore[union-attr]
    assert entry.source.sha256 == SHA


@pytest.mark.parametrize(
    ("table", "source"),
    [
        (
            GIT,
            GitCommit(version="1.0", url="u", commit=COMMIT, submodules=True),
        ),
        ({"kind": "archive", "url": "u"}, Archive(version="1.0", url="u", sha256=Digest(SHA))),
    ],
)
def test_other_sources(tmp_path: Path, table: dict[str, Any], source: Source) -> None:
    assert _entry(tmp_path, {"source": table}).source == source


@pytest.mark.parametrize("key", ["variants", "platforms"])
def test_a_patch_for_nothing_is_refused(tmp_path: Path, key: str) -> None:
    error = _problem(tmp_path, {"patches": [{"file": "x.patch", key: []}]})
    assert error.where == f"recipes/alpha/recipe.toml: patches[0].{key}"


def test_patches_are_the_business_of_patch_errors(tmp_path: Path) -> None:
    error = only(lambda: _entry(tmp_path, {"patches": [{"file": "x.patch"}]}), PatchError)
    assert error.where == "recipes/alpha/recipe.toml: patches"


SUITE = {"args": ["--pyargs", "alpha"]}
KNOWN = {"test": "alpha/tests/test_a.py::test_b", "reason": "the environment has no network"}


def _suite_entry(root: Path, suite: dict[str, Any], **recipe: Any) -> LoadedRecipe:
    table = over({"test": {"suite": over(SUITE, suite)}}, recipe)
    return read_recipes(make_farm(root, {"alpha": table})).find("alpha")


@pytest.mark.parametrize(
    ("suite", "where", "what"),
    [
        ({"arguments": []}, "test.suite.arguments", "unknown key 'arguments'"),
        ({"args": "--pyargs alpha"}, "test.suite.args", "a list is expected"),
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
    error = only(lambda: _suite_entry(tmp_path, suite), RecipeError)
    assert where in str(error.where)
    assert what in error.what or what in str(error.why)


def test_known_failures_are_for_variants_and_platforms(tmp_path: Path) -> None:
    known = [
        KNOWN,
        over(KNOWN, {"test": "a", "variants": ["netlib"]}),
        over(KNOWN, {"test": "b", "platforms": ["macos"], "run": False}),
    ]
    suite = _suite_entry(tmp_path, {"known-failures": known}).table.test.suite
    assert suite is not None

    def tests(variant: str, target: str) -> list[str]:
        return [
            each.test for each in applicable_failures(suite, lineage=[variant], target=Target.parse(target))
        ]

    assert tests("plain", "cp311-manylinux_x86_64") == [KNOWN["test"]]
    assert tests("netlib", "cp311-manylinux_x86_64") == [KNOWN["test"], "a"]
    assert tests("plain", "cp311-macosx_arm64") == [KNOWN["test"], "b"]


def test_layers_add_known_failures(tmp_path: Path) -> None:
    more = {"test": {"suite": {"known-failures": [over(KNOWN, {"test": "more"})]}}}
    entry = _suite_entry(tmp_path, {"known-failures": [KNOWN]}, variants={"plain": {"append": more}})
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
    entry = _suite_entry(tmp_path, {})
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
        read_recipes(make_farm(root, recipes)).check()

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
