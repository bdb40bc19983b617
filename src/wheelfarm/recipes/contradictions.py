"""Expectations that no wheel can meet, told before anything is built."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wheelfarm.model import Target
    from wheelfarm.recipes.document import Expect

_BINARY: Final = ("interface", "stripped", "needs", "vendors", "abi3", "cpu_baseline", "cpu_dispatch")
"""What only a wheel with compiled code has."""


def _of_compiled(expect: Expect, compilers: Sequence[str]) -> Iterator[tuple[str, str]]:
    if expect.extensions and not compilers:
        yield "extensions", "it expects extension modules, and compilers = [] says that nothing is compiled"
    if expect.extensions is False and expect.blas not in {None, "none"}:
        yield "blas", f"it expects {expect.blas}, and no extension modules that could use it"
    for field in _BINARY if expect.extensions is False else ():
        # An empty list and `false` are met by a wheel without any.
        if getattr(expect, field):
            yield field.replace("_", "-"), "it is said of compiled code, and extensions = false expects none"


def _of_blas(expect: Expect) -> Iterator[tuple[str, str]]:
    if expect.blas == "none" and expect.interface is not None:
        yield "interface", f"it expects {expect.interface}, the interface of a BLAS, and blas = none"


def _of_files(expect: Expect) -> Iterator[tuple[str, str]]:
    if expect.files is None:
        return
    for present in expect.files.present:
        for absent in expect.files.absent:
            # What is present has some name that the pattern stands for; it is one of its own matches.
            if present == absent or fnmatchcase(present, absent):
                yield "files", f"{present!r} must be present, and {absent!r} absent"


def _of_platform(expect: Expect, target: Target) -> Iterator[tuple[str, str]]:
    tag = expect.platform_tag
    if tag in {None, "any"}:
        return
    # win32 is the one tag without an underscore.
    if str(tag).partition("_")[0].removesuffix("32") != target.system:
        yield "platform-tag", f"it expects {tag}, and the target is {target.identifier}"


def check_possible(
    expect: Expect, *, compilers: Sequence[str], target: Target, where: str, origins: Mapping[str, str]
) -> None:
    """Refuse expectations that contradict each other, the target or what is compiled.

    Args:
        expect: of the recipe, for one variant and target.
        compilers: the languages that the recipe compiles.
        target: what is built for.
        where: the recipe's file.
        origins: key path → the layers that gave the value.

    Raises:
        RecipeError: a group with each that is impossible.
    """
    problems = Collector()
    found = (
        *_of_compiled(expect, compilers),
        *_of_blas(expect),
        *_of_files(expect),
        *_of_platform(expect, target),
    )
    for key, why in found:
        path = f"expect.{key}"
        said = next((origin for name, origin in origins.items() if name.startswith(path)), where)
        problems.add(
            RecipeError(
                "no wheel can be what is expected here",
                where=f"{said}: {path}",
                why=why,
                hint="take one of the two back, or say it in the layer of the platform or variant it is for",
            )
        )
    problems.check()
