"""The run requirements of a wheel or source, edited as `metadata.requires` of the recipe says."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Final

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

from wheelfarm.errors import Collector, RecipeError
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.recipes.build_requirements import without_extras
from wheelfarm.recipes.requirement_edits import RequirementEdit, edit_requirements, is_same, loosened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wheelfarm.recipes.metadata_table import RunRequires

_LOWER: Final = {">=", ">"}
_NOUN: Final = "run requirements without an extra"


def edit_run_requires(
    stated: Sequence[str], edits: RunRequires, *, where: str, built: Mapping[str, str | None]
) -> tuple[list[str | None], list[str]]:
    """Each stated requirement after the edits, None where it goes, and the added ones.

    Args:
        stated: the values of Requires-Dist; those of extras stay as they are.
        edits: the recipe's.
        where: the recipe's file, for errors.
        built: the version of each distribution in the build environment; None where it is not known before
            the build: then the requirement is not pinned.

    Raises:
        RecipeError: a group, for each edit that changes nothing, and each pin to what it was not built with.
        BuildDirectoryError: when a stated requirement is not one.
    """
    problems, place = Collector(), f"{where}: metadata.requires"
    plain = without_extras(stated)
    now: list[str | None] = [*plain]
    with problems.collect():
        now = edit_requirements(plain, [*_reductions(edits)], noun=_NOUN, where=place)
    for text in edits.add:
        if any(is_same(text, each) for each in (*plain, *now)):
            what, hint = f"{text!r} is required already", "drop the edit: it has no effect"
            problems.add(RecipeError(what, where=f"{place}.add", hint=hint))
    remaining = [*(text for text in now if text is not None), *edits.add]
    pinned: list[str | None] = [*remaining]
    with problems.collect():
        pins = [*_pins(edits, built, where, problems)]
        pinned = edit_requirements(remaining, pins, noun=_NOUN, where=place)
    problems.check()
    results = iter(pinned)
    after = {text: next(results) if each is not None else None for text, each in zip(plain, now, strict=True)}
    return [after.get(text, text) for text in stated], [each for each in results if each is not None]


def _reductions(edits: RunRequires) -> Iterator[RequirementEdit]:
    for name in edits.remove:
        yield RequirementEdit("remove", name, lambda _: None)
    for name in edits.loosen:
        yield RequirementEdit("loosen", name, loosened)


def _pins(
    edits: RunRequires, built: Mapping[str, str | None], where: str, problems: Collector
) -> Iterator[RequirementEdit]:
    """The pins whose versions are known; an error is collected for each that is not built with."""
    for name, form in edits.pin_to_built.items():
        version = built.get(name)
        if name not in built:
            problems.add(not_built_with(name, built, where))
        elif version is not None:
            change = partial(_pinned, specifier=pin(form, version))
            yield RequirementEdit("pin-to-built", name, change, hint=f'add it too: add = ["{name}"]')


def run_requires_before_build(
    stated: Sequence[str], edits: RunRequires, *, where: str, built: Mapping[str, str | None]
) -> list[str]:
    """The run requirements of a source after the edits, as far as they are known before the build.

    Raises:
        RecipeError: a group, as `edit_run_requires`.
        BuildDirectoryError: when a stated requirement is not one.
    """
    if not stated:
        # A source may leave them to its build, after which the edits are checked.
        return list(edits.add)
    after, added = edit_run_requires(stated, edits, where=where, built=built)
    return [*(each for each in after if each is not None), *added]


def not_built_with(name: str, known: Iterable[str], where: str) -> RecipeError:
    """The error about a pin to a distribution that the build environment does not hold."""
    return RecipeError(
        f"{name!r} cannot be pinned to the version that it was built with: it was built without",
        where=f"{where}: metadata.requires.pin-to-built",
        why=f"the build environment has {', '.join(sorted(known)) or 'nothing'}",
        hint="name it in requires.host or build-requires.add; or add the requirement with its versions",
    )


def pin(form: str, version: str) -> Specifier:
    """The specifier that pins to a version in a form such as `>=x.x`; it allows that version.

    The parts are those of the release segment (PEP 440). Installers leave pre-releases out unless a
    specifier names one, so the suffix of a pre-release stays; with `==`, all of its version does.
    """
    operator, count, found = form[:2], form.count("x"), Version(version)
    epoch = f"{found.epoch}!" if found.epoch else ""
    parts = [*map(str, found.release), *["0"] * (count - len(found.release))]
    suffix = found.public.removeprefix(found.base_version) if found.is_prerelease else ""
    if operator == "==":
        parts, suffix = (parts, suffix) if suffix else (parts[:count], ".*")
    else:
        parts = parts[:count]
    return Specifier(f"{operator}{epoch}{'.'.join(parts)}{suffix}")


def _pinned(text: str, specifier: Specifier) -> str:
    """A requirement with a pin, without the lower bounds that it implies.

    A stated lower bound that is higher stays, and implies the pin if that is one too.
    """
    requirement = copy(parse_requirement(text))
    wanted = Version(specifier.version.removesuffix(".*"))
    lower = {part for part in requirement.specifier if part.operator in _LOWER}
    higher = {part for part in lower if Version(part.version) > wanted}
    added = set() if higher and specifier.operator in _LOWER else {specifier}
    others = {part for part in requirement.specifier if part not in lower or part in higher}
    requirement.specifier = SpecifierSet(",".join(sorted(str(part) for part in others | added)))
    return str(requirement)
