"""The graph of the workflow: jobs, their edges, and their matrices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from support.raised import only, raised
from support.workflows import CHAIN, jobs_of, workflow_farm
from wheelfarm.errors import RecipeError, SettingsError
from wheelfarm.recipes.farm_settings import PLATFORMS
from wheelfarm.recipes.settings import load

if TYPE_CHECKING:
    from wheelfarm.ci.matrix import Job


def variants(job: Job) -> set[str]:
    return {entry.variant for entry in job.entries}


def test_a_job_needs_the_jobs_whose_wheels_it_uses_and_no_others(tmp_path: Path) -> None:
    jobs = jobs_of(workflow_farm(tmp_path, ci={"platforms": ["linux-x86_64", "macos-arm64"]}))
    assert jobs["build-scipy-linux-x86_64"].needs == ("build-numpy-linux-x86_64",)
    learn = jobs["build-learn-macos-arm64"]
    assert set(learn.needs) == {"build-numpy-macos-arm64", "build-scipy-macos-arm64"}
    assert jobs["build-alone-linux-x86_64"].needs == ()
    seen: set[str] = set()
    for name, job in jobs.items():
        assert seen.issuperset(job.needs)
        seen.add(name)


def test_a_job_needs_the_run_requirements_of_its_dependencies(tmp_path: Path) -> None:
    """The gate installs them."""
    recipes = {"a": {}, "b": {"requires": {"run": ["a"]}}, "c": {"requires": {"host": ["b"]}}}
    jobs = jobs_of(workflow_farm(tmp_path, recipes, ci={"platforms": ["linux-x86_64"]}))
    assert set(jobs["build-c-linux-x86_64"].needs) == {"build-a-linux-x86_64", "build-b-linux-x86_64"}


def test_the_matrix_has_the_variants_and_pythons_of_the_platform(tmp_path: Path) -> None:
    jobs = jobs_of(workflow_farm(tmp_path, ci={"platforms": list(PLATFORMS)}))
    linux = jobs["build-numpy-linux-x86_64"]
    assert variants(linux) == {"plain", "netlib"}
    assert {str(entry.python) for entry in linux.entries} == {"3.11", "3.13"}
    # netlib's libraries are packages of apt and dnf.
    for name in ("numpy-macos-arm64", "scipy-macos-arm64", "numpy-musllinux-x86_64"):
        assert variants(jobs[f"build-{name}"]) == {"plain"}
    assert {job.platform for job in jobs.values()} == set(PLATFORMS)


def test_a_skip_of_a_recipe_also_skips_its_dependents(tmp_path: Path) -> None:
    skip = [{"targets": "*-win_*", "reason": "no Fortran compiler"}]
    jobs = jobs_of(workflow_farm(tmp_path, {**CHAIN, "scipy": {**CHAIN["scipy"], "skip": skip}}))
    windows = {job.name for job in jobs.values() if job.platform == "windows-amd64"}
    assert windows == {"numpy", "alone"}


LIBRARY: Final[dict[str, dict[str, Any]]] = {"library": {"abi": "none"}, "numpy": {"blas": True}}
SMALL: Final = {"small": {"description": "the farm's own", "provider": "recipe", "recipe": "library"}}


def test_a_job_needs_nothing_of_a_variant_that_its_platform_does_not_build(tmp_path: Path) -> None:
    """GitHub refuses a workflow in which a job needs one that does not exist."""
    skip = [{"targets": "*-musllinux_*", "reason": "glibc only"}]
    recipes = {**LIBRARY, "library": {**LIBRARY["library"], "skip": skip}}
    jobs = jobs_of(workflow_farm(tmp_path, recipes, variants=SMALL))
    assert jobs["build-numpy-linux-x86_64"].needs == ("build-library-linux-x86_64",)
    assert variants(jobs["build-numpy-musllinux-x86_64"]) == {"plain"}
    assert jobs["build-numpy-musllinux-x86_64"].needs == ()


def test_the_workflow_of_this_farm_has_each_job_that_another_needs() -> None:
    jobs = jobs_of(load(Path(__file__).parents[2], environ={}))
    assert {need for job in jobs.values() for need in job.needs} <= set(jobs)


def test_a_recipe_for_no_platform_is_an_error(tmp_path: Path) -> None:
    skip = [{"targets": "*", "reason": "it is retired"}]
    settings = workflow_farm(tmp_path, {**CHAIN, "numpy": {"skip": skip}})
    problems = raised(lambda: jobs_of(settings), RecipeError)
    names = ("numpy", "scipy", "learn")
    assert [problem.what for problem in problems] == [f"{name} is built for no platform" for name in names]
    assert problems[0].why == "numpy skips *: it is retired"
    assert (problems[1].why or "").startswith("it needs numpy")


def test_recipes_of_a_circle_have_no_job(tmp_path: Path) -> None:
    recipes = {"a": {"requires": {"host": ["b"]}}, "b": {"requires": {"run": ["a"]}}, "c": {}}
    assert {job.name for job in jobs_of(workflow_farm(tmp_path, recipes)).values()} == {"c"}


def test_only_the_variants_of_ci_are_built(tmp_path: Path) -> None:
    ci = {"platforms": ["linux-x86_64"], "variants": ["plain"]}
    jobs = jobs_of(workflow_farm(tmp_path, LIBRARY, ci=ci, variants=SMALL))
    assert {job.name: variants(job) for job in jobs.values()} == {"numpy": {"plain"}}


def test_an_unknown_variant_of_ci(tmp_path: Path) -> None:
    ci = {"platforms": ["linux-x86_64"], "variants": ["plane"]}
    error = only(lambda: jobs_of(workflow_farm(tmp_path, ci=ci)), SettingsError)
    assert (error.where, error.hint) == (
        "pyproject.toml: tool.wheelfarm.ci.variants",
        "did you mean 'plain'?",
    )
