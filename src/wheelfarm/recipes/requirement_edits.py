"""Edits of requirements by a recipe, each of which must change something."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Final, NamedTuple

from packaging.requirements import InvalidRequirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from wheelfarm.errors import BuildDirectoryError, Collector, RecipeError
from wheelfarm.model.requirements import parse_requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_UPPER: Final = {"<", "<=", "==", "~=", "==="}


class RequirementEdit(NamedTuple):
    """An edit of all requirements of one distribution."""

    verb: str
    """The key of the recipe below the table of the edits."""
    name: str
    change: Callable[[str], str | None]
    """The requirement after the edit; None where it goes."""
    hint: str = "drop the edit: it has no effect"
    """What to do where the distribution is not required."""


def edit_requirements(
    stated: Sequence[str], edits: Iterable[RequirementEdit], *, noun: str, where: str
) -> list[str | None]:
    """Each requirement after the edits, which follow each other; None where one removes it.

    Args:
        stated: the requirements (PEP 508).
        edits: the edits.
        noun: what the requirements are, for errors.
        where: the recipe's file and the table of the edits, for errors.

    Raises:
        RecipeError: a group, for each edit that changes nothing.
        BuildDirectoryError: when a stated requirement is not one.
    """
    names, now = [name_of(text, where) for text in stated], list[str | None](stated)
    problems = Collector()
    for verb, name, change, hint in edits:
        before = {at: text for at, text in enumerate(now) if text is not None and names[at] == name}
        after = {at: change(text) for at, text in before.items()}
        if name not in names:
            what = f"{name!r} is not among the {noun}"
            why = f"they are: {', '.join(sorted({*names})) or 'none'}"
            problems.add(RecipeError(what, where=f"{where}.{verb}", why=why, hint=hint))
        elif all(is_same(text, after[at]) for at, text in before.items()):
            problems.add(
                RecipeError(
                    f"the edit changes no requirement of {name}",
                    where=f"{where}.{verb}",
                    why=f"it is {', '.join(before.values()) or 'removed'}",
                    hint="drop the edit: it has no effect",
                )
            )
        for at, text in after.items():
            now[at] = text
    problems.check()
    return now


def is_same(one: str, other: str | None) -> bool:
    """Whether two requirements say the same, however they are written."""
    return other is not None and parse_requirement(one) == parse_requirement(other)


def name_of(text: str, where: str) -> NormalizedName:
    """The distribution that a requirement of a source is of.

    Raises:
        BuildDirectoryError: when it is no requirement.
    """
    try:
        return canonicalize_name(parse_requirement(text).name)
    except InvalidRequirement as problem:
        raise BuildDirectoryError(f"the source requires {text!r}", where=where, why=str(problem)) from problem


def loosened(text: str) -> str:
    """A requirement without its upper bound; `~=2.13` is `>=2.13` then (PEP 440, "compatible release")."""
    requirement = copy(parse_requirement(text))
    lower = {f">={part.version}" for part in requirement.specifier if part.operator == "~="}
    others = {str(part) for part in requirement.specifier if part.operator not in _UPPER}
    requirement.specifier = SpecifierSet(",".join(sorted(lower | others)))
    return str(requirement)
