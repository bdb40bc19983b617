"""Drafts a recipe: chooses the release, reads its source and its published wheel, and writes the locks."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import SourceError, UsageError
from wheelfarm.model import Platform, Sdist
from wheelfarm.recipes.draft.recipe_choices import (
    added_requirements,
    blas_settings,
    build_variables,
    choose_compilers,
    dispatched_globs,
    file_globs,
    find_notes,
    find_optional_modules,
    find_questions,
    recipe_python,
    replaced_requirements,
    vendored_globs,
)
from wheelfarm.recipes.draft.recipe_text import DraftedRecipe, render_recipe
from wheelfarm.recipes.draft.release import choose_release
from wheelfarm.recipes.draft.smoke import FILE as SMOKE
from wheelfarm.recipes.draft.smoke import render_smoke
from wheelfarm.recipes.draft.source_facts import inspect_source
from wheelfarm.recipes.lock_checks import (
    RUST,
    find_farm_requirements,
    pinned_requirements,
    required_names,
    rust_error,
)
from wheelfarm.recipes.lock_compiler import LockCompiler, targets_of
from wheelfarm.recipes.providers import Provider
from wheelfarm.recipes.published_wheel import read_published
from wheelfarm.recipes.recipe_set import read_recipe
from wheelfarm.recipes.source_tree import find_projects, listed_names
from wheelfarm.sources.archives import escaped
from wheelfarm.sources.inspection import find_non_source
from wheelfarm.sources.unpacking import unpack
from wheelfarm.system.machine import glibc, target_here

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.model import Name, Target
    from wheelfarm.recipes.draft.release import Policy, Release
    from wheelfarm.recipes.draft.source_facts import SourceFacts
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.lock_compiler import ResolvedLocks
    from wheelfarm.recipes.published_wheel import PublishedWheel
    from wheelfarm.recipes.recipe_set import RecipeSet
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.sources.fetcher import Fetcher

RECIPE: Final = "recipe.toml"
_OF_EACH_LINUX: Final = ("libz.so.1", "librt.so.1", "libresolv.so.2", "libutil.so.1")
"""Those of PEP 600 that libraries of the system need most, beside the farm's own list."""
_LAST_DISTUTILS: Final = 11
"""The minor version of the last Python for which numpy has numpy.distutils."""
_ROUNDS: Final = 3
"""Resolutions of the locks: each may find further requirements that the farm has recipes for."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A recipe that nobody has written yet."""

    release: Release
    recipe: DraftedRecipe
    facts: SourceFacts
    published: PublishedWheel | None
    files: Mapping[str, str]
    """The files of its directory."""
    notes: tuple[str, ...]
    """What the user should know."""
    pinned_by: tuple[str, ...]
    """Recipes whose locks pin it, and that have to require it now."""

    @property
    def name(self) -> Name:
        return self.release.name

    @property
    def pure(self) -> bool:
        return self.recipe.compilers == []


@dataclass(frozen=True, kw_only=True)
class Drafter:
    """Drafts recipes for a farm.

    Args:
        settings: those of the farm.
        recipes: its recipes.
        fetcher: reads the index, and fetches the sources.
        env: the environment of uv.
        policy: which releases are suitable.
    """

    settings: Settings
    recipes: RecipeSet
    fetcher: Fetcher
    env: Mapping[str, str]
    policy: Policy

    def draft(self, name: Name, version: str | None = None, subdirectory: str | None = None) -> Draft:
        """Draft the recipe of a distribution, and of a version where one is named.

        Args:
            name: the distribution.
            version: the version; None for the newest suitable one.
            subdirectory: the directory of its project in the source; None for the top, or the only one that
                has a project.

        Raises:
            UsageError: when the farm has a recipe of that name.
            SourceError: when the index has no such project, no suitable release, or no source of it.
            LockError: when its requirements do not resolve, or when it compiles Rust.
            FarmError: when the source cannot be fetched or unpacked.
        """
        self.check_new(name)
        release = choose_release(self.fetcher.project(name), self.policy, version)
        source = self.fetcher.source(name, Sdist(version=release.version, sha256=release.sha256))
        published = read_published(self.fetcher, name, release.version, self._target, glibc())
        with tempfile.TemporaryDirectory(prefix="wheelfarm-new-") as scratch:
            tree = unpack(source, Path(scratch) / "source", self.settings.limits.values())
            subdirectory = _find_project(release, tree, subdirectory)
            project = tree / (subdirectory or ".")
            facts = inspect_source(project)
            self._check_rust(release, facts)
            self._check_pythons(release, facts)
            recipe = self._recipe(release, facts, published, dict(find_non_source(tree, project)))
            recipe = replace(recipe, subdirectory=subdirectory)
            recipe, files = self._lock(recipe, published, Path(scratch) / "recipes")
        return Draft(
            release=release,
            recipe=recipe,
            facts=facts,
            published=published,
            files=files,
            notes=(
                *release.notes,
                *([f"its project is in the directory {subdirectory} of the source"] if subdirectory else []),
                *find_notes(facts, published, recipe),
            ),
            pinned_by=self._pinned_by(name),
        )

    def check_new(self, name: Name) -> None:
        """Refuse a name that the farm has a directory of recipes for.

        Raises:
            UsageError: when it has.
        """
        directory = self.settings.recipes / name
        known = self.recipes.by_name.get(name)
        if known is not None:
            known.check_own("say what differs in recipes/{name}/recipe.toml, under [append] and [replace]")
        if name in self.recipes or directory.exists():
            raise UsageError(
                f"there is a recipe for {name} already",
                where=f"{self.settings.recipes.name}/{name}",
                why="nothing is overwritten",
                hint=f"inv recipe.lock {name} writes its locks anew; remove the directory to begin again",
            )

    @cached_property
    def _target(self) -> Target:
        return target_here(self.settings.pythons[0])

    def _check_rust(self, release: Release, facts: SourceFacts) -> None:
        names = required_names(facts.build_requires, targets_of(self.settings))
        for tool in sorted(RUST.intersection(names)):
            raise rust_error(release.name, tool, where=release.filename)

    def _check_pythons(self, release: Release, facts: SourceFacts) -> None:
        pythons = self.settings.pythons
        if facts.numpy_distutils and not any(each.minor <= _LAST_DISTUTILS for each in pythons):
            raise SourceError(
                f"{release.name} {release.version} is not for the Pythons of this farm",
                where=release.filename,
                why="its setup.py uses numpy.distutils, which Python 3.12 and newer do not have, and "
                f"this farm builds for {', '.join(map(str, pythons))}",
                hint="a newer release, or a patch that builds it with Meson: docs/how-to/patch-a-source.md",
            )

    def _recipe(
        self,
        release: Release,
        facts: SourceFacts,
        published: PublishedWheel | None,
        non_source: Mapping[str, str],
    ) -> DraftedRecipe:
        """The values that are known without the locks."""
        compilers = choose_compilers(release, facts, published)
        targets = targets_of(self.settings)
        runs = (
            facts.run_requires if facts.run_requires is not None else getattr(published, "requires_dist", ())
        )
        host = self._of_farm(required_names((*facts.build_requires, *facts.imports_of_setup), targets))
        run = self._of_farm(required_names(runs, targets))
        removed, allowed = file_globs(non_source)
        tests = published.tests if published else facts.tests
        drafted = DraftedRecipe(
            name=release.name,
            version=release.version,
            summary=facts.summary or release.name,
            sha256=release.sha256,
            python=recipe_python(release.requires_python, distutils=facts.numpy_distutils),
            compilers=compilers,
            host=host,
            run=run,
            blas=(blas := facts.blas.required and compilers != []),
            without_blas=self._variants_without_blas() if blas else (),
            settings=blas_settings(facts),
            environment=build_variables(facts),
            add=added_requirements(facts, self.recipes),
            replace=replaced_requirements(facts),
            remove_files=removed,
            allow_files=allowed,
            libraries=facts.libraries if compilers != [] else (),
            needs=self._needs(facts, published) if compilers != [] else (),
            vendors=vendored_globs(facts, published),
            dispatched=dispatched_globs(published.extensions if published else ()),
            imports=published.packages if published else facts.packages,
            smoke=SMOKE,
            meson=facts.meson,
            cmake=facts.cmake,
            schema=(self.settings.root / "docs/reference/recipe.schema.json").is_file(),
            questions=find_questions(facts, published),
        )
        return drafted.expecting_tests(present=tests, default=self.settings.default_tests)

    def _needs(self, facts: SourceFacts, published: PublishedWheel | None) -> tuple[str, ...]:
        """What the wheel may need from outside on Linux, beyond the farm's defaults.

        The libraries of the system that are put into the wheel may need another that each manylinux system
        has (PEP 600), as libxml2 needs zlib.
        """
        globs = list[str]()
        for defaults in self.settings.all_defaults:
            linux = defaults.platforms.get(Platform.LINUX)
            globs += [*(defaults.expect.needs or ()), *((linux.append.expect.needs or ()) if linux else ())]
        if not globs:
            return ()  # nothing is expected of it
        wanted = {*(published.needs if published else ()), *(_OF_EACH_LINUX if facts.libraries else ())}
        return tuple(sorted(each for each in wanted if not any(fnmatchcase(each, glob) for glob in globs)))

    def _variants_without_blas(self) -> list[str]:
        variants = self.settings.variants
        return sorted(name for name, each in variants.items() if each.provider is Provider.NONE)

    def _of_farm(self, names: Mapping[Name, str]) -> tuple[str, ...]:
        return tuple(name for name in names if name in self.recipes)

    def _lock(
        self,
        recipe: DraftedRecipe,
        published: PublishedWheel | None,
        recipes: Path,
    ) -> tuple[DraftedRecipe, dict[str, str]]:
        """The recipe with all that it requires of the farm, and the files of its directory."""
        extensions = published.extensions if published else ()
        optional = find_optional_modules(published.linked, recipe.libraries) if published else {}
        smoke = render_smoke(recipe.name, recipe.version, recipe.imports, extensions, optional)
        compiler = LockCompiler(
            settings=self.settings,
            recipes=self.recipes,
            fetcher=self.fetcher,
            env=self.env,
            age=self.policy,
        )
        for _ in range(_ROUNDS):
            files = {RECIPE: render_recipe(recipe), SMOKE: smoke}
            loaded = load_files(recipes / recipe.name, files, self.settings)
            locks = compiler.resolve(loaded)
            missing = self._missing(loaded, locks)
            if not any(missing.values()):
                break
            recipe = replace(
                recipe,
                host=tuple(dict.fromkeys((*recipe.host, *missing["host"]))),
                run=tuple(dict.fromkeys((*recipe.run, *missing["run"]))),
            )
        return recipe, files | compiler.compile(loaded)

    def _missing(self, loaded: LoadedRecipe, locks: ResolvedLocks) -> Mapping[str, Mapping[Name, str]]:
        targets = targets_of(self.settings)
        pins = pinned_requirements(locks.made_for, targets, locks.pins("build.lock"), locks.pins("test.lock"))
        return find_farm_requirements(loaded, self.recipes, targets, **pins)

    def _pinned_by(self, name: Name) -> tuple[str, ...]:
        files = ("build.lock", "test.lock")
        return tuple(
            sorted(
                recipe.name
                for recipe in self.recipes
                if any(pin.name == name for file in files for pin in recipe.pins(file))
            )
        )


def _find_project(release: Release, tree: Path, subdirectory: str | None) -> str | None:
    """The directory of the project; None for the top of the source.

    Raises:
        SourceError: when there is none, or one of several has to be named.
    """
    # A tree has no links that lead out of it, and `..` is no name in it.
    names, projects = PurePosixPath(subdirectory or ".").parts, find_projects(tree)
    wanted = "/".join(names) or "."
    if wanted in projects:
        return None if wanted == "." else wanted
    if subdirectory is None and len(projects) == 1:
        return projects[0]
    where = f" in {escaped(subdirectory)}" if subdirectory else ""
    raise SourceError(
        f"the source of {release.name} {release.version} has no pyproject.toml or setup.py{where}",
        where=release.filename,
        why=f"it has one in {listed_names(projects)}" if projects else "no build backend can build it",
        hint=f"inv recipe.new {release.name} --subdirectory {projects[0]}" if projects else None,
    )


def load_files(directory: Path, files: Mapping[str, str], settings: Settings) -> LoadedRecipe:
    """Write the files of a draft to a directory, and read them as a recipe."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / name).write_text(content, encoding="utf-8")
    return read_recipe(directory, settings)
