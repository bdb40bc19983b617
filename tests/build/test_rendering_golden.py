"""What the engines render for every recipe, variant, platform and Python; reviewed in the diff."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from support.farm import make_toolchain
from support.oracle import cibuildwheel_oracle
from support.stages import make_stage
from wheelfarm.build.cibuildwheel_engine import CONFIG, Cibuildwheel
from wheelfarm.build.cibuildwheel_options import schema_path
from wheelfarm.build.compiler_cache import CompilerCache
from wheelfarm.build.containers import ContainerEngine
from wheelfarm.build.host_engine import Host, programs_environment
from wheelfarm.ci.matrix import make_jobs
from wheelfarm.model import Target
from wheelfarm.plan.graph import make_plan
from wheelfarm.recipes.farm_settings import PLATFORMS
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.recipes.settings import Settings, load
from wheelfarm.system.environment import which

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.build.engine import Engine, Rendering
    from wheelfarm.plan.build import Build

ROOT = Path(__file__).parents[2]
RECIPES = sorted(path.parent.name for path in ROOT.glob("recipes/*/recipe.toml"))
VARIANTS = sorted(
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["wheelfarm"]["variants"]
)
PYTHONS = ("311", "313")
PLATFORM_SUFFIXES = tuple(PLATFORMS.values())
LINUX = [f"cp{python}-manylinux_x86_64" for python in PYTHONS]
SOME = [*LINUX, "cp313-macosx_arm64", "cp313-win_amd64"]
ON_LINUX = [variant for variant in VARIANTS if variant != "accelerate"]
STAGE = Path("/stage")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The farm's own settings on a machine with both Pythons, where nothing else is said."""
    for version in ("3.11", "3.13"):
        python = tmp_path / f"python{version}"
        python.write_text("#!/bin/sh\n")
        python.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": "/home/farm", "WHEELFARM_JOBS": "2"}
    # The names of volumes depend on the work directory.
    environ |= {"WHEELFARM_WORK": "/checkout/.wheelfarm"}
    environ |= {
        f"WHEELFARM_IMAGE_{each.upper()}": "builder:1" for each in PLATFORM_SUFFIXES if "linux" in each
    }
    return load(ROOT, environ=environ)


def engine_for(settings: Settings, name: str, target: str) -> Engine:
    """An engine where ccache and podman are found; ccache is used then, but for Windows."""
    cache = CompilerCache.below(Path("/cache"), program=Path("/tools/ccache"), engine=name, size="5G")
    used = None if "win" in target else cache
    if name == "host":
        return Host(settings, used)
    return Cibuildwheel(settings, ContainerEngine("podman", storage="overlay"), used)


def stage_for(build: Build, engine: Engine, settings: Settings, root: Path = STAGE) -> BuildDirectory:
    """A stage with all processors, as one build alone has them."""
    return make_stage(build, engine, root, jobs=settings.jobs)


def build_of(settings: Settings, recipe: str, variant: str, target: str) -> Build:
    toolchain = make_toolchain(target)
    recipes = read_recipes(settings)
    plan = make_plan(recipes, settings=settings, names=[recipe], variant=variant, toolchains=[toolchain])
    return next(build for build in plan.builds if build.id.name == recipe)


def lines(rendering: Rendering, normal: Mapping[str, str]) -> list[str]:
    """A rendering as text; of a step's environment the names alone."""
    said = []
    for name, text in rendering.files.items():
        said += [f"--- {name}", *text.rstrip().splitlines()]
    for step in rendering.steps:
        said += [f"--- {step.phase}, in {step.cwd}", *(f"  {word}" for word in step.argv)]
        said += [f"  env: {' '.join(sorted(step.env))}"]
    for path, name in normal.items():
        said = [line.replace(path, name) for line in said]
    return said


def renderings(settings: Settings, name: str, recipe: str, variant: str, tmp_path: Path) -> dict[str, str]:
    """The renderings by target: of the host engine on Linux, of cibuildwheel for the whole workflow."""
    entries = [entry for job in make_jobs(read_recipes(settings), settings) for entry in job.entries]
    targets = [
        str(entry.build_id.target) for entry in entries if (entry.name, entry.variant) == (recipe, variant)
    ]
    rendered = {}
    for target in targets if name == "cibuildwheel" else LINUX:
        build = build_of(settings, recipe, variant, target)
        engine = engine_for(settings, name, target)
        rendering = engine.render(stage_for(build, engine, settings))
        own = str(getattr(sys, "_base_executable", sys.executable))
        version = f"3.{target[3:5]}"
        uv = str(which("uv", programs_environment(settings)))
        normal = {
            uv: "/uv",
            str(tmp_path / f"python{version}"): f"/python{version}",
            own: f"/python{version}",
            sys.executable: "/own-python",
        }
        rendered[target] = "\n".join(lines(rendering, normal))
    return rendered


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


@pytest.mark.skipif(sys.platform != "linux", reason="paths are written as on Linux")
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("variant", ON_LINUX)
def test_rendering_for_the_host(
    golden: Callable[[str, str], None], settings: Settings, tmp_path: Path, recipe: str, variant: str
) -> None:
    rendered = renderings(settings, "host", recipe, variant, tmp_path)
    said = "\n".join(f"=== {target}\n{text}\n" for target, text in rendered.items())
    golden(f"host/{recipe}-{variant}.txt", said)


@pytest.mark.skipif(sys.platform != "linux", reason="paths are written as on Linux")
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_rendering_for_cibuildwheel(
    golden: Callable[[str, str], None], settings: Settings, tmp_path: Path, recipe: str, variant: str
) -> None:
    """For every recipe, variant, platform and Python of the workflow; and it takes each one."""
    rendered = renderings(settings, "cibuildwheel", recipe, variant, tmp_path)
    golden(f"cibuildwheel/{recipe}-{variant}.txt", in_groups(rendered))


@pytest.mark.parametrize("target", SOME)
@pytest.mark.parametrize("recipe", RECIPES)
def test_configuration_is_valid(settings: Settings, recipe: str, target: str) -> None:
    validator = Draft7Validator(json.loads(schema_path().read_text("utf-8")))
    engine = engine_for(settings, "cibuildwheel", target)
    for variant in ON_LINUX if target in LINUX else ["openblas"]:
        stage = stage_for(build_of(settings, recipe, variant, target), engine, settings)
        table: dict[str, Any] = tomllib.loads(engine.render(stage).files[CONFIG])["tool"]["cibuildwheel"]
        assert [problem.message for problem in validator.iter_errors(table)] == []
        # A platform's table would replace what the general one says.
        assert not {"linux", "macos", "windows", "overrides"} & table.keys()


@pytest.mark.parametrize("place", PLATFORM_SUFFIXES)
def test_cibuildwheel_takes_it(settings: Settings, tmp_path: Path, place: str) -> None:
    """The program itself, on each platform; also when the source's own table is invalid."""
    target = f"cp313-{place}"
    engine = engine_for(settings, "cibuildwheel", target)
    source = tmp_path / "source"
    source.mkdir()
    (source / "setup.py").touch()
    (source / "pyproject.toml").write_text('[tool.cibuildwheel]\nenable = ["no-such-group"]\nnonsense = 1\n')
    stage = stage_for(build_of(settings, "numpy", "openblas", target), engine, settings, tmp_path)
    rendering = engine.render(stage)
    (tmp_path / CONFIG).write_text(rendering.files[CONFIG], encoding="utf-8")
    for name, path in rendering.copies.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, tmp_path / name)
    (step,) = rendering.steps
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


def test_cibuildwheel_parses_every_one(settings: Settings) -> None:
    """For every recipe, platform, variant and Python, it would build that target and no other."""
    recipes = read_recipes(settings)
    entries = [entry for job in make_jobs(recipes, settings) for entry in job.entries]
    assert len(entries) > 200
    with cibuildwheel_oracle() as oracle:
        for variant, target in sorted({(entry.variant, entry.build_id.target) for entry in entries}):
            toolchain = make_toolchain(str(target))
            plan = make_plan(recipes, settings=settings, names=None, variant=variant, toolchains=[toolchain])
            for build in plan.builds:
                engine = engine_for(settings, "cibuildwheel", str(target))
                found = oracle.read(engine.render(stage_for(build, engine, settings)), target)
                assert found["identifiers"] == [str(target)]
                # That one is the newer of what the recipe and what the provider asks for.
                said = dict(build.resolved.environment) | {"MACOSX_DEPLOYMENT_TARGET": None}
                assert said.items() - {("MACOSX_DEPLOYMENT_TARGET", None)} <= found["environment"].items()


def test_what_differs_by_platform(settings: Settings) -> None:
    """What upstream's own release workflows say, as cibuildwheel reads it."""

    def environment(recipe: str, variant: str, target: str) -> dict[str, str]:
        engine = engine_for(settings, "cibuildwheel", target)
        stage = stage_for(build_of(settings, recipe, variant, target), engine, settings)
        rendered: dict[str, str] = oracle.read(engine.render(stage), Target.parse(target))["environment"]
        return rendered

    with cibuildwheel_oracle() as oracle:
        arm, windows = "cp312-macosx_arm64", "cp312-win_amd64"
        # Accelerate's LAPACK is there from macOS 14; OpenBLAS asks for less, and a recipe may ask for more.
        assert environment("numpy", "accelerate", arm)["MACOSX_DEPLOYMENT_TARGET"] == "14.0"
        assert environment("scipy", "accelerate", arm)["MACOSX_DEPLOYMENT_TARGET"] == "14.0"
        assert environment("scipy", "openblas", arm)["MACOSX_DEPLOYMENT_TARGET"] == "12.3"
        assert "MACOSX_DEPLOYMENT_TARGET" not in environment("numpy", "openblas", arm)
        assert "PKG_CONFIG_PATH" not in environment("numpy", "accelerate", arm)
        assert "\\" not in environment("numpy", "openblas", windows)["PKG_CONFIG_PATH"]
        assert environment("scipy", "openblas", windows)["FC"] == "gfortran"


def test_targets_are_written_as_cibuildwheel_does() -> None:
    targets = [f"cp313-{place}" for place in PLATFORM_SUFFIXES]
    assert [Target.parse(target).identifier for target in targets] == targets
