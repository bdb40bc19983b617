"""Makes a patched tree of an unpacked source, in which nothing is built that is not source."""

from __future__ import annotations

import glob
import json
import os
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, PatchError, RecipeError, SourceError, counted
from wheelfarm.model import NonSourceFile, PatchedTree
from wheelfarm.recipes.source_table import WheelSource
from wheelfarm.sources.archives import escaped
from wheelfarm.sources.inspection import find_non_source
from wheelfarm.sources.patches import apply
from wheelfarm.sources.unpacking import files_below, link_leads_out
from wheelfarm.system.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wheelfarm.model import FetchedSource
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.source_table import BuiltSource

_SHOWN: Final = 100
"""Files that an error names."""
_NAMED: Final = 10
"""Directories that an error names."""
_PROJECT_FILES: Final = ("pyproject.toml", "setup.py")


def patch_tree(
    recipe: LoadedRecipe,
    source: FetchedSource,
    tree: Path,
    series: Sequence[Path],
    *,
    environ: Mapping[str, str],
) -> PatchedTree:
    """Remove what the recipe removes, apply the patches, and check what there is then.

    Args:
        recipe: says what is removed and what is allowed.
        source: what was unpacked.
        tree: where it was unpacked to.
        series: the patches.
        environ: the environment, for git.

    Raises:
        PatchError: when a patch does not apply exactly, or leaves a link that leads out of the tree.
        SourceError: when there is no project, or a file that is not source and not allowed.
        RecipeError: when a glob of the recipe matches nothing.
    """
    source_table = recipe.table.source
    if isinstance(source_table, WheelSource):
        return PatchedTree(source=source, path=tree)
    problems = Collector()
    for pattern in remove_files(source_table.remove, tree):
        problems.add(_without_effect(recipe, "remove", pattern, "file of the source"))
    problems.check()
    patches = apply(tree, series, recipe=recipe.name, environ=environ)
    if patches:
        _check_links(recipe, tree)
    subdirectory = source_table.subdirectory or "."
    patched = PatchedTree(source=source, path=tree, subdirectory=subdirectory, patches=patches)
    _check_project(recipe, patched)
    return replace(patched, non_source=_allowed(source_table, recipe, patched))


def remove_files(globs: Sequence[str], tree: Path) -> list[str]:
    """Remove the files that a recipe removes before the patches; give the globs that match nothing."""
    without_effect = []
    files = [file for file, _ in files_below(tree)] if globs else []
    for pattern in globs:
        matches = [file for file in files if fnmatchcase(file, pattern)]
        if not matches:
            without_effect.append(pattern)
        for file in matches:
            path = tree / file
            path.unlink(missing_ok=True)
            # setuptools would find a package in an empty directory.
            with suppress(OSError):
                os.removedirs(path.parent)
    return without_effect


def _without_effect(recipe: LoadedRecipe, key: str, pattern: str, noun: str) -> RecipeError:
    return RecipeError(
        f"{pattern!r} matches no {noun}", where=f"{recipe.where}: source.{key}", hint="remove the line"
    )


def _check_links(recipe: LoadedRecipe, tree: Path) -> None:
    """Those of the archive were checked: what leads out now is of a patch."""
    problems = Collector()
    for file, entry in files_below(tree):
        if entry.is_symlink() and link_leads_out(Path(entry.path), tree):
            problems.add(
                PatchError(
                    "the patches leave a symbolic link that leads out of the source tree or in a circle",
                    where=f"{recipe.name}: {escaped(file)}",
                    why=f"it leads to {escaped(os.readlink(entry.path))}",  # noqa: PTH115 - unchanged
                )
            )
    problems.check()


def _check_project(recipe: LoadedRecipe, tree: PatchedTree) -> None:
    if has_project(tree.project):
        return
    projects = find_projects(tree.path)
    paths = (PurePosixPath(file) for file, _ in files_below(tree.path))
    others = sorted({path.parts[0] for path in paths if len(path.parts) > 1})
    directory = "" if tree.subdirectory == "." else f" in {tree.subdirectory}"
    raise SourceError(
        f"the source of {recipe.name} has no pyproject.toml or setup.py{directory}",
        where=tree.source.path.name,
        why=f"it has one in {listed_names(projects)}"
        if projects
        else f"its directories are {listed_names(others) or '(none)'}",
        hint=f'name the directory in {recipe.where}: [source] subdirectory = "{(projects or ["..."])[0]}"',
    )


def has_project(directory: Path) -> bool:
    """Whether a build backend has something to build there."""
    return any((directory / name).is_file() for name in _PROJECT_FILES)


def find_projects(tree: Path) -> list[str]:
    """The directories of a source tree that a build backend has something to build in."""
    paths = (PurePosixPath(file) for file, _ in files_below(tree))
    return sorted({path.parent.as_posix() for path in paths if path.name in _PROJECT_FILES})


def listed_names(names: Sequence[str]) -> str:
    """The first names of many, for a message."""
    more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return ", ".join([*map(escaped, names[:_NAMED]), *more])


def _allowed(source: BuiltSource, recipe: LoadedRecipe, tree: PatchedTree) -> tuple[NonSourceFile, ...]:
    """The files that are not source, with the recipe's reasons."""
    problems = Collector()
    found = dict(find_non_source(tree.path, tree.project))
    reasons: dict[str, tuple[str, bool]] = {}
    for key, globs, in_wheel in (
        ("allow", source.allow, False),
        ("allow-in-wheel", source.allow_in_wheel, True),
    ):
        for pattern, reason in globs.items():
            matches = [file for file in found if fnmatchcase(file, pattern)]
            reasons |= dict.fromkeys(matches, (reason, in_wheel))
            if not matches:
                noun = "file of the source that is not source"
                problems.add(_without_effect(recipe, key, pattern, noun))
    if refused := {file: kind for file, kind in found.items() if file not in reasons}:
        problems.add(_refusal(recipe, tree.source, refused))
    problems.check()
    return tuple(
        NonSourceFile(
            file=file,
            kind=kind,
            sha256=sha256_of_file(tree.path / file),
            reason=reasons[file][0],
            in_wheel=reasons[file][1],
        )
        for file, kind in found.items()
    )


def _refusal(recipe: LoadedRecipe, source: FetchedSource, refused: Mapping[str, str]) -> SourceError:
    """The error that names each file, and the lines that remove or allow them."""
    files = [f"{escaped(file)}: {kind}" for file, kind in refused.items()]
    if len(files) > _SHOWN:
        files[_SHOWN:] = [f"and {len(files) - _SHOWN} more"]
    globs = [json.dumps(pattern, ensure_ascii=False) for pattern in globs_of(refused)]
    pointers = any("pointer" in kind for kind in refused.values())
    return SourceError(
        f"the source of {recipe.name} {source.version} has "
        + counted(len(refused), "file that is not source", "files that are not source"),
        where=source.path.name,
        why="\n".join(files),
        hint="\n".join(
            (
                *(["take an archive that has the files themselves in place of pointers, or"] * pointers),
                f"remove them in {recipe.where}:",
                f"[source] remove = [{', '.join(globs)}]",
                "or say why they may stay:",
                "[source.allow]",
                *(f'{pattern} = "..."' for pattern in globs),
            )
        ),
    )


def globs_of(files: Iterable[str]) -> Iterator[str]:
    """A glob for each file, or for several of one kind below two directories at most."""
    groups = defaultdict[tuple[str, str], list[str]](list)
    for file in files:
        path = PurePosixPath(file)
        groups["/".join(path.parent.parts[:2]), path.suffix].append(file)
    for (directory, suffix), members in groups.items():
        several = f"{glob.escape(directory)}/*{suffix}".removeprefix("/")
        yield glob.escape(members[0]) if len(members) == 1 else several
