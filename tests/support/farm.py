"""A factory for small farm repositories, written as people write them.

    settings = make_farm(tmp_path, {"numpy": {}, "scipy": {"requires": {"host": ["numpy"]}}})
    plan = plan_of(settings)

Each recipe's table is laid over `RECIPE`, so that a test says only what it is about; a value of None drops a
key. `files` writes anything else, or another content for a file that the factory writes.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

import tomlkit

from wheelfarm.model import EngineName, Target
from wheelfarm.plan.build import Build, Toolchain
from wheelfarm.plan.graph import Plan, make_plan
from wheelfarm.recipes.recipe_set import RecipeSet, read_recipes
from wheelfarm.recipes.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Table = Mapping[str, Any]

LINUX: Final = "cp311-manylinux_x86_64"
HERE: Final = LINUX.replace("311", f"{sys.version_info.major}{sys.version_info.minor}")
"""The target of this Python."""
RECIPE: Final[Table] = {
    "version": "1.0",
    "summary": "a small thing",
    "source": {"kind": "sdist", "sha256": "a" * 64},
}
"""What every recipe says unless the test says otherwise; `name` is that of the directory."""
SETTINGS: Final[Table] = {
    "stages": ".wheelfarm/stages",
    "cache": "cache",
    "index-url": "https://index.invalid/simple/",
    "compiler-cache": False,
    "variant": "plain",
    "variants": {
        "plain": {"description": "no BLAS"},
        "netlib": {"description": "reference BLAS", "provider": "netlib"},
    },
}
"""`[tool.wheelfarm]` of every farm unless the test says otherwise."""
LOCK: Final = f"setuptools==80.9.0 --hash=sha256:{'b' * 64}\n"
"""build.lock of every recipe."""


def over(below: Table, above: Table) -> dict[str, Any]:
    """A table laid over another; None drops a key, and tables are merged."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return {key: value for key, value in merged.items() if value is not None}


def write_farm(
    root: Path,
    recipes: Mapping[str, Table] | None = None,
    *,
    settings: Table | None = None,
    patches: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
) -> Path:
    """Write a farm below `root`, and give `root`.

    Args:
        root: a directory; made when it is missing.
        recipes: directory name → what recipe.toml says over `RECIPE`; one recipe, `alpha`, by default.
        settings: what `[tool.wheelfarm]` says over `SETTINGS`.
        patches: path below patches/, as `alpha/0001-fix.patch` → content. The recipe must list it.
        files: path below the farm → content.
    """
    recipes = {"alpha": {}} if recipes is None else recipes
    farm = {"tool": {"wheelfarm": over(SETTINGS, settings or {})}}
    contents = {"pyproject.toml": tomlkit.dumps(farm)}
    for name, table in recipes.items():
        contents[f"recipes/{name}/recipe.toml"] = tomlkit.dumps(over({"name": name, **RECIPE}, table))
        contents[f"recipes/{name}/build.lock"] = LOCK
    contents |= {f"patches/{path}": text for path, text in (patches or {}).items()}
    (root / "recipes").mkdir(parents=True, exist_ok=True)
    for path, text in (contents | dict(files or {})).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8", newline="")
    return root


def make_farm(
    root: Path,
    recipes: Mapping[str, Table] | None = None,
    *,
    settings: Table | None = None,
    patches: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Write a farm as `write_farm` does, and load its settings.

    Args:
        root: see `write_farm`.
        recipes: see `write_farm`.
        settings: see `write_farm`.
        patches: see `write_farm`.
        files: see `write_farm`.
        environ: more variables than PATH and a HOME of the farm's own.
    """
    write_farm(root, recipes, settings=settings, patches=patches, files=files)
    clean = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(root / "home")}
    return load(root, environ=clean | dict(environ or {}))


def container_variables(*more: str) -> dict[str, str]:
    """The variables of this process by which a farm finds a container engine and its images."""
    images = (name for name in os.environ if name.startswith("WHEELFARM_IMAGE_"))
    names = ("PATH", "XDG_RUNTIME_DIR", "DOCKER_HOST", *images, *more)
    return {name: os.environ[name] for name in names if name in os.environ}


def make_toolchain(target: str = LINUX, **changes: Any) -> Toolchain:
    """The toolchain of a made-up engine for a target."""
    facts: dict[str, Any] = {
        "engine": EngineName.HOST,
        "target": Target.parse(target),
        "facts": {"image": "sha256:1234", "python": "3.11.2"},
        "compilers": {"c": "cc 12.2.0", "c++": "c++ 12.2.0", "fortran": "gfortran 12.2.0"},
        "packages": {"libblas-dev": "3.11.0-2"},
        "manager": "apt",
    }
    return Toolchain(**(facts | changes))


def plan_of(
    settings: Settings,
    names: Sequence[str] | None = None,
    *,
    variant: str | None = None,
    toolchains: Sequence[Toolchain] | None = None,
    recipes: RecipeSet | None = None,
) -> Plan:
    """The plan for a farm; all recipes, its own variant and one Linux target by default.

    Raises:
        FarmError: what is wrong with any of the recipes.
    """
    plan = make_plan(
        recipes or read_recipes(settings),
        settings=settings,
        names=names,
        variant=variant or settings.variant,
        toolchains=[make_toolchain()] if toolchains is None else toolchains,
    )
    plan.check()
    return plan


def builds_of(settings: Settings, **choices: Any) -> dict[str, Build]:
    """The builds of a farm's plan for one target, by name."""
    return {str(build.id.name): build for build in plan_of(settings, **choices).builds}
