"""What the engines render for every recipe, variant, platform and Python; golden files show it in the diff.

Whatever a recipe says reaches the build byte for byte: cibuildwheel's own parser is the oracle.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from support.farm import make_farm, make_toolchain
from support.golden import GOLDEN
from support.oracle import Oracle, cibuildwheel_oracle
from support.stages import build_for, make_stage
from wheelfarm.build.cibuildwheel_engine import CONFIG, Cibuildwheel
from wheelfarm.build.cibuildwheel_options import quote_value, schema_path
from wheelfarm.build.commands import shell_line
from wheelfarm.build.compiler_cache import CompilerCache
from wheelfarm.build.containers import ContainerEngine
from wheelfarm.build.engine import Phase
from wheelfarm.build.environment import RESERVED
from wheelfarm.build.host_engine import Host, programs_environment
from wheelfarm.ci.matrix import make_jobs
from wheelfarm.errors import RecipeError
from wheelfarm.model import ConfigSettings, Platform, Target
from wheelfarm.plan.graph import make_plan
from wheelfarm.recipes.farm_settings import PLATFORMS
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.recipes.settings import load
from wheelfarm.system.environment import which

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wheelfarm.build.engine import Engine, Rendering
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.recipe_set import RecipeSet
    from wheelfarm.recipes.settings import Settings

ROOT = Path(__file__).parents[2]
RECIPES = sorted(path.parent.name for path in ROOT.glob("recipes/*/recipe.toml"))
FARM = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["wheelfarm"]
VARIANTS = FARM["variants"]
SUPPLIERS = {table.get("recipe"): name for name, table in VARIANTS.items()}
BUILT = [
    (recipe, variant)
    for variant in sorted(FARM["ci"]["variants"])
    for recipe in RECIPES
    if SUPPLIERS.get(recipe, variant) == variant
]
"""The recipes of each variant of the workflow: one that supplies its BLAS is built for no other."""
PLATFORM_SUFFIXES = tuple(PLATFORMS.values())
LINUX = ["cp311-manylinux_x86_64", "cp313-manylinux_x86_64"]
OTHERS = [("numpy", variant) for variant in sorted(VARIANTS.keys() - FARM["ci"]["variants"])]
"""Variants that no workflow builds, of which the recipe that differs most is enough."""
ON_LINUX = [*((recipe, variant) for recipe, variant in BUILT if variant != "accelerate"), *OTHERS]
STAGE = Path("/stage")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="paths are written as on Linux")


@dataclass
class Workflow:
    """The farm of this repository, on a machine with two Pythons where nothing else is said."""

    settings: Settings
    pythons: Path
    """The directory of both."""
    _builds: dict[tuple[str, str], list[Build]] = field(default_factory=dict)

    @cached_property
    def recipes(self) -> RecipeSet:
        return read_recipes(self.settings)

    @cached_property
    def targets(self) -> dict[tuple[str, str], list[str]]:
        """The targets of the whole workflow, by recipe and variant."""
        found: dict[tuple[str, str], list[str]] = {}
        for job in make_jobs(self.recipes, self.settings):
            for entry in job.entries:
                found.setdefault((entry.name, entry.variant), []).append(str(entry.build_id.target))
        return found

    def builds(self, variant: str, target: str) -> list[Build]:
        """The builds of all recipes; each plan is made once."""
        if (variant, target) not in self._builds:
            words = {"names": None, "variant": variant, "toolchains": [make_toolchain(target)]}
            plan = make_plan(self.recipes, settings=self.settings, **words)  # type: ignore[arg-type]
            self._builds[variant, target] = list(plan.builds)
        return self._builds[variant, target]

    def render(
        self, recipe: str, variant: str, target: str, engine: str = "cibuildwheel", root: Path = STAGE
    ) -> Rendering:
        """The rendering of a recipe."""
        builds = self.builds(variant, target)
        return self.render_build(next(each for each in builds if each.id.name == recipe), engine, root)

    def render_build(self, build: Build, name: str = "cibuildwheel", root: Path = STAGE) -> Rendering:
        """The rendering where ccache and podman are found; ccache is not used for Windows."""
        cache = CompilerCache.below(Path("/cache"), program=Path("/tools/ccache"), engine=name, size="5G")
        used = None if build.id.target.platform is Platform.WINDOWS else cache
        engine: Engine = Host(self.settings, used)
        if name != "host":
            engine = Cibuildwheel(self.settings, ContainerEngine("podman", storage="overlay"), used)
        # All processors, as one build alone has them.
        return engine.render(make_stage(build, engine, root, jobs=self.settings.jobs))

    def text(self, recipe: str, variant: str, target: str, engine: str = "cibuildwheel") -> str:
        """A rendering as text, without the paths of this machine; of a step's environment the names alone."""
        rendering = self.render(recipe, variant, target, engine)
        lines: list[str] = []
        for name, text in rendering.files.items():
            lines += [f"--- {name}", *text.rstrip().splitlines()]
        for step in rendering.steps:
            lines += [f"--- {step.phase}, in {step.cwd}", *(f"  {word}" for word in step.argv)]
            # Whether a Python brings its own linkers differs from machine to machine.
            names = sorted(step.env.keys() - {"LDSHARED", "LDCXXSHARED"})
            lines += [f"  env: {' '.join(names)}"]
        version = f"3.{target[3:5]}"
        normal = {
            str(which("uv", programs_environment(self.settings))): "/uv",
            str(self.pythons / f"python{version}"): f"/python{version}",
            str(getattr(sys, "_base_executable", sys.executable)): f"/python{version}",
            sys.executable: "/own-python",
        }
        for path, name in normal.items():
            lines = [line.replace(path, name) for line in lines]
        return "\n".join(lines)


@pytest.fixture(scope="module")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    pythons = tmp_path_factory.mktemp("pythons")
    for version in ("3.11", "3.13"):
        (pythons / f"python{version}").write_text("#!/bin/sh\n")
        (pythons / f"python{version}").chmod(0o755)
    environ = {"PATH": f"{pythons}:/usr/bin:/bin", "HOME": "/home/farm", "WHEELFARM_JOBS": "2"}
    # The names of volumes depend on the work directory.
    environ |= {"WHEELFARM_WORK": "/checkout/.wheelfarm"}
    linux = (each for each in PLATFORM_SUFFIXES if "linux" in each)
    environ |= {f"WHEELFARM_IMAGE_{each.upper()}": "builder:1" for each in linux}
    return Workflow(load(ROOT, environ=environ), pythons)


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    with cibuildwheel_oracle() as process:
        yield process


def in_groups(rendered: Mapping[str, str]) -> str:
    """All renderings, once for targets that differ in their own name only."""
    groups: dict[tuple[str, str], list[str]] = {}
    for target, text in rendered.items():
        python, _, place = target.partition("-")
        groups.setdefault((place, text.replace(target, f"*-{place}")), []).append(python)
    return "\n".join(
        f"=== {' '.join(f'{python}-{place}' for python in pythons)}\n{text}\n"
        for (place, text), pythons in groups.items()
    )


@linux_only
@pytest.mark.parametrize(("recipe", "variant"), ON_LINUX)
def test_rendering_for_the_host(
    golden: Callable[[str, str], None], workflow: Workflow, recipe: str, variant: str
) -> None:
    texts = (f"=== {target}\n{workflow.text(recipe, variant, target, 'host')}\n" for target in LINUX)
    golden(f"host/{recipe}-{variant}.txt", "\n".join(texts))


@linux_only
@pytest.mark.parametrize(("recipe", "variant"), BUILT)
def test_rendering_for_cibuildwheel(
    golden: Callable[[str, str], None], workflow: Workflow, recipe: str, variant: str
) -> None:
    """For every recipe, variant, platform and Python of the workflow."""
    targets = workflow.targets.get((recipe, variant), ())
    rendered = {target: workflow.text(recipe, variant, target) for target in targets}
    golden(f"cibuildwheel/{recipe}-{variant}.txt", in_groups(rendered))


def test_every_golden_file_is_compared_with_a_rendering() -> None:
    wanted = {"host": ON_LINUX, "cibuildwheel": BUILT}
    for engine, builds in wanted.items():
        names = {path.name for path in (GOLDEN / engine).iterdir()}
        assert names == {f"{recipe}-{variant}.txt" for recipe, variant in builds}


@pytest.mark.parametrize("place", PLATFORM_SUFFIXES)
def test_cibuildwheel_takes_it(workflow: Workflow, tmp_path: Path, place: str) -> None:
    """The program itself, on each platform; also when the source's own table is invalid."""
    target = f"cp313-{place}"
    source = tmp_path / "source"
    source.mkdir()
    (source / "setup.py").touch()
    (source / "pyproject.toml").write_text('[tool.cibuildwheel]\nenable = ["no-such-group"]\nnonsense = 1\n')
    rendering = workflow.render("numpy", "openblas", target, root=tmp_path)
    (tmp_path / CONFIG).write_text(rendering.files[CONFIG], encoding="utf-8")
    for name, path in rendering.copies.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, tmp_path / name)
    step = rendering.steps[0]
    finished = subprocess.run(
        [sys.executable, "-m", *step.argv, "--print-build-identifiers"],
        cwd=step.cwd,
        env=dict(step.env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == [target]


def test_cibuildwheel_parses_every_one(workflow: Workflow, oracle: Oracle) -> None:
    """For every recipe, platform and variant, it would build that target and no other."""
    wanted = {(variant, target) for (_, variant), found in workflow.targets.items() for target in found}
    assert len(wanted) > 40
    validator = Draft7Validator(json.loads(schema_path().read_text("utf-8")))
    # Pythons differ in the target's name only: the newest of each platform stands for all.
    newest = {(variant, target.partition("-")[2]): target for variant, target in sorted(wanted)}
    for (variant, _), target in newest.items():
        for build in workflow.builds(variant, target):
            rendering = workflow.render_build(build)
            table = tomllib.loads(rendering.files[CONFIG])["tool"]["cibuildwheel"]
            assert [problem.message for problem in validator.iter_errors(table)] == []
            # A platform's table would replace what the general one says.
            assert not {"linux", "macos", "windows", "overrides"} & table.keys()
            found = oracle.read(rendering, build.id.target)
            assert found["identifiers"] == [target]
            # That one is the newer of what the recipe and what the provider asks for.
            stated = dict(build.resolved.environment) | {"MACOSX_DEPLOYMENT_TARGET": None}
            assert stated.items() - {("MACOSX_DEPLOYMENT_TARGET", None)} <= found["environment"].items()


def test_what_differs_by_platform(workflow: Workflow, oracle: Oracle) -> None:
    """What upstream's own release workflows say, as cibuildwheel reads it."""

    def environment(recipe: str, variant: str, target: str) -> dict[str, str]:
        rendering = workflow.render(recipe, variant, target)
        read: dict[str, str] = oracle.read(rendering, Target.parse(target))["environment"]
        return read

    arm, windows = "cp312-macosx_arm64", "cp312-win_amd64"
    # Accelerate's LAPACK is there from macOS 14; OpenBLAS asks for less, and a recipe may ask for more.
    assert environment("numpy", "accelerate", arm)["MACOSX_DEPLOYMENT_TARGET"] == "14.0"
    assert environment("scipy", "accelerate", arm)["MACOSX_DEPLOYMENT_TARGET"] == "14.0"
    assert environment("scipy", "openblas", arm)["MACOSX_DEPLOYMENT_TARGET"] == "12.3"
    assert "MACOSX_DEPLOYMENT_TARGET" not in environment("numpy", "openblas", arm)
    assert "PKG_CONFIG_PATH" not in environment("numpy", "accelerate", arm)
    assert "\\" not in environment("numpy", "openblas", windows)["PKG_CONFIG_PATH"]
    assert environment("scipy", "openblas", windows)["FC"] == "gfortran"
    for place in PLATFORM_SUFFIXES:
        assert Target.parse(f"cp313-{place}").identifier == f"cp313-{place}"


NASTY = "'\"\\$=` #;&|<>*~!?(){}[]^%@,:+-\té漢🎉x0"
PIECES = ("$HOME", "${x}", "$(id)", "`id`", "{project}", "{package}", "#{project}", "{wheel}", "%PATH%", "~")
MORE = (
    *("\\n", "--", "a=b", "<(", "( )", "#{", "\\\\", "'\"'\"'", "&&", "${", "$'", "!!", "-j2"),
    "\N{ZERO WIDTH JOINER}",
)
TARGETS = ("cp311-manylinux_x86_64", "cp313-macosx_arm64", "cp313-win_amd64")
UNSAYABLE = ("<(", ">(", "\0", "\n", "\r")

text = st.text(st.sampled_from(NASTY) | st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.lists(text | st.sampled_from(PIECES + MORE), max_size=6).map("".join)
sayable = values.filter(lambda value: not any(bad in value for bad in UNSAYABLE))
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True).filter(
    lambda name: name.upper() not in RESERVED
)
keys = st.from_regex(r"[a-z][a-z0-9.-]{0,12}", fullmatch=True)
arguments = values.filter(lambda value: "\0" not in value)

quick = hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return make_farm(tmp_path_factory.mktemp("farm"), settings={"jobs": 1})


def read(oracle: Oracle, build: Build, farm: Settings) -> dict[str, Any]:
    """What cibuildwheel makes of the rendering of a build."""
    engine = Cibuildwheel(farm, ContainerEngine("podman", storage=""))
    return oracle.read(engine.render(make_stage(build, engine)), build.id.target)


@pytest.mark.parametrize("storage", ["", "overlay"])
def test_a_project_in_a_subdirectory(farm: Settings, storage: str, tmp_path: Path) -> None:
    """cibuildwheel gets the project, and copies the whole source."""
    engine, build = Cibuildwheel(farm, ContainerEngine("podman", storage=storage)), build_for(farm)
    stage = make_stage(build, engine, tmp_path)
    stage = replace(stage, tree=replace(stage.tree, subdirectory="python"))
    (tmp_path / "source" / "python").mkdir(parents=True)
    (tmp_path / "source" / "python" / "setup.py").touch()
    rendering = engine.render(stage)
    assert rendering.steps[0].argv[:2] == ("cibuildwheel", "source/python")
    assert list(rendering.copies) == (["overlaid/source/python/setup.py"] if storage else [])
    (step,) = (step for step in Host(farm).render(stage).steps if step.phase is Phase.BUILD)
    assert (step.argv[-1], step.cwd) == (str(tmp_path / "source/python"), tmp_path / "source/python")


@quick
@given(environment=st.dictionaries(names, sayable, max_size=4), target=st.sampled_from(TARGETS))
def test_the_environment_arrives(
    farm: Settings, oracle: Oracle, environment: dict[str, str], target: str
) -> None:
    found = read(oracle, build_for(farm, target, environment=environment), farm)["environment"]
    assert {name: found.get(name) for name in environment} == environment


@quick
@given(config=st.dictionaries(keys, arguments | st.lists(arguments, min_size=1, max_size=4), max_size=4))
def test_config_settings_arrive(farm: Settings, oracle: Oracle, config: dict[str, str | list[str]]) -> None:
    found = read(oracle, build_for(farm, config=config), farm)
    # A list of one item is the same as the item, for the frontend too.
    assert found["settings"] == {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in config.items()
    }
    assert found["flags"] == [*ConfigSettings.of(config).for_build(), "--no-isolation"]


@given(before=sayable, after=sayable, bad=st.sampled_from(UNSAYABLE))
def test_what_cannot_be_said_is_refused(before: str, after: str, bad: str) -> None:
    with pytest.raises(RecipeError, match="NAME cannot be passed") as caught:
        quote_value("NAME", before + bad + after, where="recipes/a/recipe.toml")
    assert repr(next(each for each in UNSAYABLE if each in before + bad + after)) in str(caught.value.why)
    assert caught.value.where == "recipes/a/recipe.toml"


@given(name=st.text(max_size=8))
def test_only_names_of_variables_can_be_said(name: str) -> None:
    assume(not (name.isascii() and name.isidentifier()))
    with pytest.raises(RecipeError, match="not a variable's name"):
        quote_value(name, "value", where="recipe.toml")


def test_nothing_of_the_project_or_machine_is_run(farm: Settings, oracle: Oracle) -> None:
    """No test command, no audit that installs from the index: both would escape the lock."""
    found = read(oracle, build_for(farm), farm)
    assert (found["test"], found["audit"]) == ("", [])


@pytest.mark.parametrize("target", ["cp313-macosx_arm64", "cp313-win_amd64"])
def test_a_temporary_directory_with_a_space(target: str) -> None:
    """On a machine, cibuildwheel fills paths in that nobody has quoted."""
    line = shell_line(("tool", "{wheel}", "a b", "--to", "{dest_dir}"), target=Target.parse(target))
    filled_in = line.replace("{wheel}", "/Jane Doe/x.whl").replace("{dest_dir}", "/Jane Doe/out")
    # Both shells read double quotes around such words alike.
    assert shlex.split(filled_in) == ["tool", "/Jane Doe/x.whl", "a b", "--to", "/Jane Doe/out"]


@pytest.mark.parametrize("target", TARGETS)
def test_the_repair_command_quotes_its_placeholders(farm: Settings, oracle: Oracle, target: str) -> None:
    build = build_for(farm, target)
    repair = read(oracle, build, farm)["repair"]
    quoted = '"' if build.id.target.platform is not Platform.LINUX else ""
    for word in ("{wheel}", "{dest_dir}"):
        assert repair.count(word) == repair.count(f" {quoted}{word}{quoted}") > 0
