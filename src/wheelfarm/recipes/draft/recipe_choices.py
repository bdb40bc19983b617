"""Decides on values of a drafted recipe, from facts of its release, source and published wheel alone."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from wheelfarm.recipes.source_tree import globs_of
from wheelfarm.sources.inspection import BUILD_PRODUCT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.specifiers import Specifier

    from wheelfarm.recipes.draft.recipe_text import DraftedRecipe
    from wheelfarm.recipes.draft.release import Release
    from wheelfarm.recipes.draft.source_facts import SourceFacts
    from wheelfarm.recipes.published_wheel import PublishedWheel

_DEFAULT_PYTHON: Final = ">=3.11"
_MINORS: Final = range(11, 40)
"""What `python` of a recipe says by default, and the feature versions of it."""
_ALLOWED: Final = "it came with the source, and inv recipe.new has not looked into it: is it safe to have?"
_PRODUCTS: Final = (
    "binary",
    "library",
    "object",
    "bitcode",
    "bytecode",
    "class",
    "WebAssembly",
    BUILD_PRODUCT,
)
"""Of what a build must make its own."""
_DISPATCHED: Final = "by its name, one of several that the package chooses from at run time: is it so?"
_ABOVE_BASELINE: Final = re.compile(r"_(?:avx\w*|fma\w*|ssse3|sse[34]\w*)$")
_NO_PKG_RESOURCES: Final = "setuptools<81"


def choose_compilers(
    release: Release, facts: SourceFacts, published: PublishedWheel | None
) -> Sequence[str] | None:
    """The compilers of a recipe; None for its default, C and C++."""
    languages = [each for each in facts.languages if each != "rust"]
    pure = release.pure
    if pure or (pure is None and not languages):
        return []
    if not languages and published is not None and not published.extensions:
        return []
    if "fortran" in languages:
        return ["c", "c++", "fortran"]
    # CMake looks for both compilers unless the project says otherwise, and Meson for those that it says.
    return ["c"] if languages == ["c"] and not facts.configures else None


def dispatched_globs(extensions: Iterable[str]) -> dict[str, str]:
    """What the gate has to allow of extension modules whose names say an instruction set above the baseline.

    Such a module is one of several, of which the package imports one at run time.
    """
    found = set[str]()
    for module in extensions:
        *packages, name = module.split(".")
        if level := _ABOVE_BASELINE.search(name):
            found.add(f"instruction-set: {'/'.join([*packages, ''])}*{level[0]}.*")
    return dict.fromkeys(sorted(found), _DISPATCHED)


def recipe_python(requires_python: str) -> str | None:
    """`python` of the recipe: the farm's default, and what Requires-Python says beyond it."""
    try:
        clauses = [each for each in SpecifierSet(requires_python) if not _holds_anyway(each)]
    except InvalidSpecifier:
        return None
    if not clauses:
        return None
    bounded = any(each.operator in {">=", ">", "~=", "==", "==="} for each in clauses)
    return ",".join([*([] if bounded else [_DEFAULT_PYTHON]), *sorted(map(_of_feature_version, clauses))])


def _holds_anyway(clause: Specifier) -> bool:
    """Whether a clause of Requires-Python allows each Python that a recipe allows by default."""
    return all(clause.contains(f"3.{minor}.{micro}") for minor in _MINORS for micro in (0, 99))


def _of_feature_version(clause: Specifier) -> str:
    """The clause for feature versions, which is what a recipe speaks of."""
    if clause.operator == ">=":
        return f">={'.'.join(clause.version.split('.')[:2])}"
    return str(clause)


def replaced_requirements(facts: SourceFacts) -> dict[str, str]:
    """Build requirements that the source states too loosely for what it uses."""
    named = [each for each in facts.build_requires if each.lower().startswith("setuptools")]
    if not facts.uses_pkg_resources or any("<" in each or "==" in each for each in named):
        return {}
    return {"setuptools": _NO_PKG_RESOURCES} if named else {}


def file_globs(non_source: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The globs of files to remove, and of files to allow with a reason."""
    removed, allowed = defaultdict[str, list[str]](list), list[str]()
    for file, kind in non_source.items():
        if kind.endswith(_PRODUCTS) and " in an archive" not in kind:
            removed[kind].append(file)
        else:
            allowed.append(file)
    globs = {glob: kind for kind, files in removed.items() for glob in globs_of(files)}
    return globs, dict.fromkeys(globs_of(allowed), _ALLOWED)


def find_questions(facts: SourceFacts, published: PublishedWheel | None) -> tuple[str, ...]:
    """What the author of the recipe has to decide."""
    found = []
    if facts.blas:
        found.append("its build files look for BLAS or LAPACK. Does it link them? Then add: blas = true")
    found += [
        f"Meson would download its subproject {name}, and builds have no network. Does the build need it? "
        "Then give it by system-packages, or by a patch: docs/how-to/patch-a-source.md"
        for name in facts.wraps
    ]
    if published is None:
        found.append("the index has no wheel of it for this machine. What does it import? See [test]")
    return tuple(found)


def find_notes(
    facts: SourceFacts, published: PublishedWheel | None, recipe: DraftedRecipe
) -> tuple[str, ...]:
    """What the user should know of the source and of the recipe."""
    found = []
    if facts.legacy:
        found.append(f"{facts.legacy}: setuptools' legacy backend builds it")
    if recipe.compilers == []:
        found.append("it is pure Python: nothing has to be compiled, and its wheel is tagged any")
    if recipe.add:
        found.append(f"its setup.py imports {', '.join(recipe.add)} without requiring it: added")
    if recipe.replace:
        found.append(f"it uses pkg_resources, which newer versions lack: {_NO_PKG_RESOURCES}")
    if facts.run_requires is None:
        wheel = f"they are those of {published.filename}" if published else "the first build shows them"
        found.append(f"the source does not state what it needs to run: {wheel}")
    if recipe.remove_files:
        found.append(f"compiled files are removed from the source: {', '.join(recipe.remove_files)}")
    if recipe.allow_files:
        found.append(f"files that are no source are allowed, look at them: {', '.join(recipe.allow_files)}")
    return tuple(found)
