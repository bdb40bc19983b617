"""Plan: which builds, in which order, on what, and why; and what is refused before anything runs."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import LINUX, builds_of, make_farm, make_toolchain, plan_of
from support.raised import only
from wheelfarm.errors import CycleError, LockError, RecipeError, UsageError
from wheelfarm.model import EngineName, Target, parse_name
from wheelfarm.plan.build import BuildId
from wheelfarm.plan.graph import make_plan, order
from wheelfarm.recipes.recipe_set import read_recipes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan


def _on(*host: str, run: Iterable[str] = (), **more: Any) -> dict[str, Any]:
    return {"requires": {"host": list(host), "run": list(run)}, **more}


# `extra` is needed by the installed `numpy` alone, so that whoever builds on numpy has it in the environment.
CHAIN: dict[str, dict[str, Any]] = {
    "zlib": {},
    "extra": {},
    "numpy": _on("zlib", run=["extra"]),
    "scipy": _on("numpy", run=["numpy"]),
    "learn": _on("numpy", "scipy", run=["scipy"]),
    "apart": {},
}


def _names(plan: Plan) -> list[str]:
    return [str(build.id.name) for build in plan.builds]


def test_each_build_comes_after_all_that_it_needs(tmp_path: Path) -> None:
    plan = plan_of(make_farm(tmp_path, CHAIN))
    assert sorted(_names(plan)) == sorted(CHAIN)
    seen: set[BuildId] = set()
    for build in plan.builds:
        assert {*build.host, *build.upstream, *build.run} <= seen
        seen.add(build.id)


def test_the_plan_has_only_the_requested_packages_and_their_requirements(tmp_path: Path) -> None:
    settings = make_farm(tmp_path, CHAIN)
    plan = plan_of(settings, ["SciPy"])
    assert sorted(_names(plan)) == ["extra", "numpy", "scipy", "zlib"]
    assert {str(build.id.name): build.reason for build in plan.builds} == {
        "scipy": "requested",
        "numpy": "for scipy",
        "zlib": "for numpy",
        "extra": "for numpy",
    }
    reasons = {str(build.id.name): build.reason for build in plan_of(settings, ["learn"]).builds}
    assert reasons["numpy"] == "for scipy, learn"
    assert {build.reason for build in plan_of(settings).builds} == {"requested"}
    assert _names(plan_of(settings, [])) == []


def test_the_environment_holds_what_its_wheels_need_to_run(tmp_path: Path) -> None:
    builds = builds_of(make_farm(tmp_path, CHAIN))

    def names(ids: Iterable[BuildId]) -> list[str]:
        return [str(each.name) for each in ids]

    assert names(builds["learn"].host) == ["numpy", "scipy"]
    assert names(builds["learn"].upstream) == ["extra", "numpy", "scipy"]
    assert names(builds["learn"].run) == ["extra", "numpy", "scipy"]
    # What numpy was compiled with is in numpy.
    assert names(builds["scipy"].upstream) == ["extra", "numpy"]
    assert names(builds["numpy"].upstream) == ["zlib"]
    assert names(builds["numpy"].run) == ["extra"]
    assert names(builds["zlib"].upstream) == names(builds["zlib"].run) == []


def test_each_target_has_a_chain_of_its_own(tmp_path: Path) -> None:
    targets = [LINUX, "cp312-manylinux_x86_64"]
    plan = plan_of(
        make_farm(tmp_path, CHAIN), ["scipy"], toolchains=[make_toolchain(target) for target in targets]
    )
    assert len(plan.builds) == 8
    for target in map(Target.parse, targets):
        scipy = plan.build(BuildId(name=parse_name("scipy"), variant="plain", target=target))
        assert {each.target for each in scipy.upstream} == {target}
        assert {each.variant for each in scipy.upstream} == {"plain"}
        assert str(scipy.id) == f"scipy (plain, {target})"
        assert scipy.id.slug == f"scipy-plain-{target}"
    assert len({build.key for build in plan.builds}) == 8
    assert _names(plan.only([parse_name("zlib")])) == ["zlib", "zlib"]


class TestPlatforms:
    """One plan for two processors."""

    X86_64, AARCH64 = map(Target.parse, (LINUX, "cp311-manylinux_aarch64"))

    def _plan(self, root: Path, **more: Any) -> Plan:
        recipes = {"pure": {"compilers": []}, **CHAIN, "mixed": _on("numpy", "pure"), **more}
        images = {self.X86_64: "sha256:1", self.AARCH64: "sha256:2"}
        toolchains = [
            make_toolchain(str(target), facts={"image": image}, engine=EngineName.CIBUILDWHEEL)
            for target, image in images.items()
        ]
        return plan_of(make_farm(root, recipes), toolchains=toolchains)

    def _build(self, plan: Plan, name: str, target: Target) -> Build:
        return plan.build(BuildId(name=parse_name(name), variant="plain", target=target))

    def test_builds_of_two_platforms_do_not_need_each_other(self, tmp_path: Path) -> None:
        plan = self._plan(tmp_path)
        for build in plan.builds:
            for needed in {*build.upstream, *build.run}:
                assert needed.target == build.id.target or needed.name == "pure"

    def test_a_pure_wheel_is_built_once_for_the_first_platform(self, tmp_path: Path) -> None:
        plan = self._plan(tmp_path)
        (pure,) = plan.only([parse_name("pure")]).builds
        assert pure.id.target == self.X86_64
        for target in (self.X86_64, self.AARCH64):
            mixed = self._build(plan, "mixed", target)
            assert pure.id in mixed.upstream
            assert mixed.key_parts["upstream.pure"] == pure.key

    def test_a_platform_has_the_keys_that_it_has_alone(self, tmp_path: Path) -> None:
        plan = self._plan(tmp_path / "both")
        toolchain = self._build(plan, "scipy", self.AARCH64).toolchain
        alone = plan_of(make_farm(tmp_path / "one", CHAIN), toolchains=[toolchain])
        for build in alone.builds:
            assert plan.build(build.id).key == build.key

    def test_what_skips_a_platform_is_built_for_the_other(self, tmp_path: Path) -> None:
        skip = [{"targets": "*aarch64", "reason": "no compiler"}]
        plan = self._plan(tmp_path, apart={"skip": skip})
        assert [build.id.target for build in plan.only([parse_name("apart")]).builds] == [self.X86_64]
        (line,) = plan.skipped
        assert "apart is not built for cp311-manylinux_aarch64" in line

    def test_a_plan_that_is_not_strict_leaves_out_what_a_platform_skips(self, tmp_path: Path) -> None:
        skip = [{"targets": "*aarch64", "reason": "no compiler"}]
        settings = make_farm(tmp_path, {**CHAIN, "apart": {"skip": skip}})
        toolchains = [make_toolchain(str(target)) for target in (self.X86_64, self.AARCH64)]
        words: dict[str, Any] = {"names": ["apart"], "variant": "plain", "toolchains": toolchains}
        error = only(lambda: make_plan(read_recipes(settings), settings=settings, **words), UsageError)
        assert error.what == "apart is not built for cp311-manylinux_aarch64"
        plan = make_plan(read_recipes(settings), settings=settings, strict=False, **words)
        assert [build.id.target for build in plan.builds] == [self.X86_64]


def test_build_holds_all_that_the_engine_needs(tmp_path: Path) -> None:
    table = {
        "version": "2.5",
        "compilers": [],
        "blas": True,
        "system-packages": {"apt": ["libx-dev", "libblas-dev"], "dnf": ["x-devel"]},
        "patches": [{"file": "a.patch"}],
        "environment": {"A": "1"},
    }
    variant = {
        "description": "x",
        "provider": "scipy-openblas32",
        "lock": "variants/x.lock",
        "system-packages": {"apt": ["libblas-dev", "liblapack-dev"]},
    }
    locked = f"--hash=sha256:{'c' * 64}\n"
    lock = "".join(
        f"scipy-openblas32=={version} ; sys_platform == '{system}' {locked}"
        for version, system in ((1, "linux"), (2, "win32"))
    )
    settings = make_farm(
        tmp_path,
        {"alpha": table, "beta": {"system-packages": {"apt": ["liby-dev"]}}},
        settings={"variants": {"x": variant}},
        patches={"alpha/a.patch": "--- a/x\n"},
        files={"variants/x.lock": lock, "recipes/alpha/test.lock": f"tester==1 {locked}"},
    )
    builds = builds_of(settings, variant="x")
    alpha = builds["alpha"]
    assert alpha.version == "2.5"
    assert alpha.patches == (tmp_path / "patches/alpha/a.patch",)
    assert alpha.resolved.environment == {"A": "1"}
    assert [each.name for each in alpha.requirements] == ["setuptools"]
    assert [(each.name, each.version) for each in alpha.provider_requirements] == [("scipy-openblas32", "1")]
    assert [each.name for each in alpha.test_requirements] == ["tester"]
    assert alpha.system_packages == {
        "apt": ("libx-dev", "libblas-dev", "liblapack-dev"),
        "dnf": ("x-devel",),
    }
    # What links no BLAS needs nothing of the variant.
    assert builds["beta"].provider_requirements == ()
    assert builds["beta"].system_packages == {"apt": ("liby-dev",), "dnf": ()}


@pytest.mark.parametrize(
    ("needs", "circle"),
    [
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, "a → b → c → a"),
        ({"a": ["c"], "b": ["a"], "c": ["b"]}, "a → c → b → a"),
        ({"a": ["a"]}, "a → a"),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, "b → c → b"),
    ],
)
@pytest.mark.parametrize("kind", ["host", "run"])
def test_a_cycle_error_goes_from_each_package_to_its_requirement(
    tmp_path: Path, needs: dict[str, list[str]], circle: str, kind: str
) -> None:
    recipes = read_recipes(
        make_farm(tmp_path, {name: {"requires": {kind: host}} for name, host in needs.items()})
    )
    error = only(recipes.check, CycleError)
    steps = str(error.where).split(" → ")
    # A circle begins anywhere.
    ring = circle.split(" → ")[:-1]
    assert steps[0] == steps[-1]
    assert steps[:-1] in [ring[n:] + ring[:n] for n in range(len(ring))]
    assert all(later in needs[earlier] for earlier, later in pairwise(steps))


def test_a_circle_elsewhere_does_not_matter(tmp_path: Path) -> None:
    recipes = read_recipes(make_farm(tmp_path, {"a": _on("b"), "b": _on("a"), "c": {}}))
    assert [recipe.name for recipe in order(recipes, ["c"])] == ["c"]


def test_the_order_depends_on_the_recipes_alone(tmp_path: Path) -> None:
    recipes = read_recipes(make_farm(tmp_path, CHAIN))
    first = [recipe.name for recipe in order(recipes)]
    assert [recipe.name for recipe in order(recipes, reversed(list(CHAIN)))] == first
    assert [recipe.name for recipe in order(recipes, ["learn", "learn", "apart", "Learn"])] == first


def test_an_unknown_recipe(tmp_path: Path) -> None:
    error = only(lambda: plan_of(make_farm(tmp_path, CHAIN), ["spicy"]), UsageError)
    assert (error.what, error.hint) == ("there is no recipe for 'spicy'", "did you mean 'scipy'?")


def test_an_unknown_variant(tmp_path: Path) -> None:
    error = only(lambda: plan_of(make_farm(tmp_path), variant="netlab"), UsageError)
    assert error.hint == "did you mean 'netlib'?"


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"python": ">=3.12"}, "numpy 1.0 is for Python >=3.12"),
        ({"python": "<3.11"}, "numpy 1.0 is for Python <3.11"),
        (
            {"skip": [{"targets": "*-win32", "reason": "x"}, {"targets": "cp311-*", "reason": "too old"}]},
            "numpy skips cp311-*: too old",
        ),
    ],
)
def test_a_target_that_a_recipe_of_the_chain_does_not_serve(
    tmp_path: Path, table: dict[str, Any], why: str
) -> None:
    settings = make_farm(tmp_path, CHAIN | {"numpy": table | CHAIN["numpy"]})
    error = only(lambda: plan_of(settings, ["scipy"]), UsageError)
    assert error.what == f"numpy is not built for {LINUX}"
    assert (error.where, error.why) == ("recipes/numpy/recipe.toml", why)
    assert _names(plan_of(settings, ["zlib"])) == ["zlib"]


def test_python_3_10_is_not_python_3_1(tmp_path: Path) -> None:
    settings = make_farm(tmp_path, {"alpha": {"python": ">=3.9,<3.14"}})
    toolchains = [make_toolchain(f"cp{version}-manylinux_x86_64") for version in ("39", "310", "313t")]
    assert len(plan_of(settings, toolchains=toolchains).builds) == 3


def test_a_missing_lock(tmp_path: Path) -> None:
    settings = make_farm(tmp_path)
    (tmp_path / "recipes/alpha/build.lock").unlink()
    assert only(lambda: plan_of(settings), LockError).where == str(tmp_path / "recipes/alpha/build.lock")


def test_a_missing_lock_of_the_variant(tmp_path: Path) -> None:
    settings = make_farm(tmp_path, settings={"variants": {"plain": {"lock": "variants/plain.lock"}}})
    assert only(lambda: plan_of(settings), LockError).where == str(tmp_path / "variants/plain.lock")


def test_layers_that_do_not_fit(tmp_path: Path) -> None:
    table = {"platforms": {"linux": {"replace": {"environment": {"A": "1"}}}}}
    error = only(lambda: plan_of(make_farm(tmp_path, {"alpha": table})), RecipeError)
    assert error.what == "environment.A has no value that could be replaced"


def test_netlib_is_for_linux(tmp_path: Path) -> None:
    farm = make_farm(tmp_path, {"linked": {"blas": True}, "free": {}})
    macos = [make_toolchain("cp311-macosx_arm64")]
    assert _names(plan_of(farm, ["free"], variant="netlib", toolchains=macos)) == ["free"]
    error = only(lambda: plan_of(farm, ["linked"], variant="netlib", toolchains=macos), UsageError)
    assert "Linux" in str(error.why)


def test_what_cannot_be_built_is_left_out_of_everything_and_said(tmp_path: Path) -> None:
    settings = make_farm(tmp_path, {"alpha": {"python": ">=3.12"}, "beta": _on("alpha"), "gamma": {}})
    plan = plan_of(settings)
    assert _names(plan) == ["gamma"]
    assert [line.partition(":")[0] for line in plan.skipped] == [
        "alpha is not built for cp311-manylinux_x86_64",
        "beta is not built for cp311-manylinux_x86_64",
    ]
    assert "it needs alpha" in plan.skipped[1]


def test_accelerate_is_for_macos(tmp_path: Path) -> None:
    settings = {"variants": {"apple": {"description": "Apple's", "provider": "accelerate"}}}
    farm = make_farm(tmp_path, {"linked": {"blas": True}, "free": {}}, settings=settings)
    assert _names(plan_of(farm, ["free"], variant="apple")) == ["free"]
    assert _names(plan_of(farm, variant="apple")) == ["free"]
    macos = [make_toolchain("cp312-macosx_arm64")]
    assert _names(plan_of(farm, ["linked"], variant="apple", toolchains=macos)) == ["linked"]
    error = only(lambda: plan_of(farm, ["linked"], variant="apple"), UsageError)
    assert error.why == "Accelerate is part of macOS"
