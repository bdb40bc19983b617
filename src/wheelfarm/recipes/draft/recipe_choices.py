"""Decides on values of a drafted recipe, from facts of its release, source and published wheel alone."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet

from wheelfarm.recipes.draft.build_files import BlasSearch
from wheelfarm.recipes.draft.system_libraries import find_library
from wheelfarm.recipes.source_tree import globs_of
from wheelfarm.sources.inspection import BUILD_PRODUCT
from wheelfarm.wheels.binary import library_stem

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from wheelfarm.recipes.draft.recipe_text import DraftedRecipe
    from wheelfarm.recipes.draft.release import Release
    from wheelfarm.recipes.draft.source_facts import SourceFacts
    from wheelfarm.recipes.draft.system_libraries import SystemLibrary
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
_OF_COMPILERS: Final = (
    *("libgcc_s", "libgfortran", "libgomp", "libomp", "libquadmath", "libstdc++", "libc++"),
    *("msvcp140", "vcomp140", "vcruntime140", "libscipy_openblas", "libopenblas"),
)
"""How libraries begin that come with compilers or with a BLAS provider: no part is left out for them."""
_NO_PKG_RESOURCES: Final = "setuptools<81"
_FOR_DISTUTILS: Final = "setuptools<65.6"
"""numpy.distutils imports what newer ones do not have; numpy tests it with 65.5.1."""
_BEFORE_312: Final = "<3.12"
_FORTRAN_LIBRARIES: Final = ("libgcc_s*", "libgfortran*", "libquadmath*")
"""What code that gfortran compiles needs at run time."""
_OLD_FORTRAN: Final = "-std=legacy"
"""https://gcc.gnu.org/gcc-10/porting_to.html#argument-mismatch"""
_FINDS_BLAS: Final = "pkgconf>=2.3"
_PREFER_PKG_CONFIG: Final = "cmake.define.BLA_PREFER_PKGCONFIG"
"""https://cmake.org/cmake/help/latest/module/FindBLAS.html: else it takes what the system has."""


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


def find_optional_modules(
    linked: Mapping[str, Sequence[str]], libraries: Iterable[SystemLibrary]
) -> dict[str, str]:
    """The extension modules that a build may leave out → the libraries that they are for.

    Such a module is linked against libraries, and the recipe names a system package for none of them: the
    table does not know them, or the source looks for them in a way that the draft does not see.
    """
    brought = {library.name for library in libraries}
    found = dict[str, str]()
    for module, stems in linked.items():
        own = [each for each in stems if not each.startswith(_OF_COMPILERS)]
        known = {each.name for stem in own if (each := find_library("links", stem.removeprefix("lib")))}
        if own and known.isdisjoint(brought):
            found[module] = ", ".join(own)
    return found


def recipe_python(requires_python: str, *, distutils: bool = False) -> str | None:
    """`python` of the recipe: the farm's default, and what Requires-Python says beyond it.

    Args:
        requires_python: Requires-Python.
        distutils: whether its setup.py needs numpy.distutils.
    """
    try:
        clauses = [each for each in SpecifierSet(requires_python) if not _holds_anyway(each)]
    except InvalidSpecifier:
        clauses = []
    if distutils:
        clauses.append(Specifier(_BEFORE_312))
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
    named = [each for each in facts.build_requires if re.match(r"setuptools\b(?!-)", each.lower())]
    if not named or any("<" in each or "==" in each for each in named):
        return {}
    if facts.numpy_distutils:
        return {"setuptools": _FOR_DISTUTILS}
    return {"setuptools": _NO_PKG_RESOURCES} if facts.uses_pkg_resources else {}


def added_requirements(facts: SourceFacts, recipes: Container[str]) -> list[str]:
    """Build requirements that the source does not state."""
    named = " ".join(facts.build_requires)
    finders = [_FINDS_BLAS] if facts.blas.required and "pkgconf" not in named else []
    return [*(each for each in facts.imports_of_setup if each not in recipes), *finders]


def blas_settings(facts: SourceFacts) -> dict[str, str]:
    """Config settings by which the build takes the BLAS of the variant, and no other that the system has."""
    by_cmake = facts.blas is BlasSearch.CMAKE and facts.backend.startswith("scikit_build_core")
    return {_PREFER_PKG_CONFIG: "ON"} if by_cmake else {}


def vendor_globs(members: Iterable[str]) -> list[str]:
    """Globs of vendored libraries, which have another hash and version in the next wheel."""
    return sorted({f"{library_stem(member)}*" for member in members})


def build_variables(facts: SourceFacts) -> dict[str, str]:
    """Variables that the build needs: old Fortran calls with arguments that gfortran 10 refuses."""
    return {"FFLAGS": _OLD_FORTRAN} if facts.numpy_distutils and "fortran" in facts.languages else {}


def vendored_globs(facts: SourceFacts, published: PublishedWheel | None) -> list[str] | None:
    """What the repair may put into a wheel with Fortran in it; None where that is not known.

    A variant says it for what links its BLAS, and libraries of the system bring others of their own.
    """
    if "fortran" not in facts.languages or facts.blas is not BlasSearch.NONE or facts.libraries:
        return None
    return sorted({*_FORTRAN_LIBRARIES, *vendor_globs(published.libraries if published else ())})


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
    if facts.blas is BlasSearch.PERHAPS:
        found.append("its build files look for BLAS or LAPACK. Does it link them? Then add: blas = true")
    found += [
        f"Meson would download its subproject {name}, and builds have no network. Does the build need it? "
        "Then give it by system-packages, or by a patch: docs/how-to/patch-a-source.md"
        for name in facts.wraps
    ]
    found += [
        f"{file} may download what the build needs, and builds have no network. Does it? Then a patch or "
        "a config setting has to keep it from that: docs/how-to/patch-a-source.md"
        for file in facts.downloads
    ]
    if any(re.match(r"py-cpuinfo\b", each) for each in facts.build_requires):
        found.append(
            "its build asks for the processor of the machine (py-cpuinfo). Does it compile for that one? "
            "Then give the option or the variable that keeps it from that: the gate refuses such a wheel"
        )
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
    if imported := [each for each in facts.imports_of_setup if each in recipe.add]:
        found.append(f"its setup.py imports {', '.join(imported)} without requiring it: added")
    if facts.numpy_distutils:
        found.append("its setup.py uses numpy.distutils, which Python 3.12 and newer do not have")
    elif recipe.replace:
        found.append(f"it uses pkg_resources, which newer versions lack: {_NO_PKG_RESOURCES}")
    if facts.run_requires is None:
        wheel = f"they are those of {published.filename}" if published else "the first build shows them"
        found.append(f"the source does not state what it needs to run: {wheel}")
    optional = find_optional_modules(published.linked, recipe.libraries) if published else {}
    if optional:
        names = ", ".join(f"{module} (for {libraries})" for module, libraries in optional.items())
        found.append(f"a build may leave out, since no system package of the recipe is for them: {names}")
    return (*found, *_notes_of_recipe(recipe))


def _notes_of_recipe(recipe: DraftedRecipe) -> Iterator[str]:
    if recipe.blas:
        yield "it links BLAS or LAPACK: those of the variant"
    if "numpy" in recipe.host and "numpy" not in recipe.run:
        yield (
            "it is compiled against numpy and does not state that it needs numpy to run, so nothing installs "
            "numpy with it: add it to the project's dependencies by a patch (docs/how-to/patch-a-source.md)"
        )
    if recipe.remove_files:
        yield f"compiled files are removed from the source: {', '.join(recipe.remove_files)}"
    if recipe.allow_files:
        yield f"files that are no source are allowed, look at them: {', '.join(recipe.allow_files)}"
