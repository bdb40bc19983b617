"""What the engines would be told for every recipe, variant, platform and Python; reviewed in the diff."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from support.farm import make_toolchain
from support.stages import make_stage
from wheelfarm.cibuildwheel import CONFIG, Cibuildwheel, ContainerEngine, schema_path
from wheelfarm.compiler_cache import CompilerCache
from wheelfarm.host import Host, programs_environment
from wheelfarm.model import Target
from wheelfarm.plan import make_plan
from wheelfarm.process import which
from wheelfarm.recipes import read_shelf
from wheelfarm.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wheelfarm.engine import Engine, Rendering
    from wheelfarm.plan import Build
    from wheelfarm.stage import Stage

ROOT = Path(__file__).parents[2]
RECIPES = sorted(path.parent.name for path in ROOT.glob("recipes/*/recipe.toml"))
VARIANTS = sorted(
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["wheelfarm"]["variants"]
)
PYTHONS = ("311", "313")
TARGETS = [
    f"cp{python}-{system}"
    for system in ("manylinux_x86_64", "macosx_arm64", "win_amd64")
    for python in PYTHONS
]
LINUX = TARGETS[:2]
STAGE = Path("/stage")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The farm's own settings on a machine with both Pythons, where nothing else is said."""
    for version in ("3.11", "3.13"):
        python = tmp_path / f"python{version}"
        python.write_text("#!/bin/sh\n")
        python.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": "/home/farm", "WHEELFARM_JOBS": "2"}
    # The names of volumes are told from the work directory.
    environ |= {"WHEELFARM_IMAGE_MANYLINUX_X86_64": "builder:1", "WHEELFARM_WORK": "/checkout/.wheelfarm"}
    return load(ROOT, environ=environ)


def engine_for(settings: Settings, name: str, target: str) -> Engine:
    """An engine where ccache and podman are found; ccache is used then, but for Windows."""
    cache = CompilerCache.below(Path("/cache"), program=Path("/tools/ccache"), engine=name, size="5G")
    used = None if "win" in target else cache
    if name == "host":
        return Host(settings, used)
    return Cibuildwheel(settings, ContainerEngine("podman", storage=lambda: "overlay"), used)


def stage_for(build: Build, engine: Engine, settings: Settings, root: Path = STAGE) -> Stage:
    """A stage with all processors, as one build alone has them."""
    return make_stage(build, engine, root, jobs=settings.jobs)


def build_of(settings: Settings, recipe: str, variant: str, target: str) -> Build:
    toolchain = make_toolchain(target)
    shelf = read_shelf(settings)
    plan = make_plan(shelf, settings=settings, names=[recipe], variant=variant, toolchains=[toolchain])
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


@pytest.mark.skipif(sys.platform != "linux", reason="paths are written as on Linux")
@pytest.mark.parametrize("choice", list(product(("cibuildwheel", "host"), RECIPES, VARIANTS)), ids="-".join)
def test_rendering(
    golden: Callable[[str, str], None],
    settings: Settings,
    tmp_path: Path,
    choice: tuple[str, str, str],
) -> None:
    name, recipe, variant = choice
    said = []
    # The host engine is this machine's; netlib is taken from the system packages of Linux.
    for target in TARGETS if (name, variant) == ("cibuildwheel", "openblas") else LINUX:
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
        }
        said += [f"=== {target}", *lines(rendering, normal), ""]
    golden(f"{name}/{recipe}-{variant}.txt", "\n".join(said))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_configuration_is_valid(settings: Settings, recipe: str, target: str) -> None:
    validator = Draft7Validator(json.loads(schema_path().read_text("utf-8")))
    engine = engine_for(settings, "cibuildwheel", target)
    for variant in VARIANTS if target in LINUX else ["openblas"]:
        stage = stage_for(build_of(settings, recipe, variant, target), engine, settings)
        table: dict[str, Any] = tomllib.loads(engine.render(stage).files[CONFIG])["tool"]["cibuildwheel"]
        assert [problem.message for problem in validator.iter_errors(table)] == []
        # A platform's table would replace what the general one says.
        assert not {"linux", "macos", "windows", "overrides"} & table.keys()


@pytest.mark.parametrize("target", TARGETS[::2])
def test_cibuildwheel_takes_it(settings: Settings, tmp_path: Path, target: str) -> None:
    """Also when the source's own table is invalid."""
    engine = engine_for(settings, "cibuildwheel", target)
    source = tmp_path / "source"
    source.mkdir()
    (source / "setup.py").touch()
    (source / "pyproject.toml").write_text('[tool.cibuildwheel]\nenable = ["no-such-group"]\nnonsense = 1\n')
    stage = stage_for(build_of(settings, "scipy", "openblas", target), engine, settings, tmp_path)
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


def test_targets_are_written_as_cibuildwheel_does() -> None:
    assert [Target.parse(target).identifier for target in TARGETS] == TARGETS
