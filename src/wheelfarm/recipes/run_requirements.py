"""The run requirements of a wheel or source, edited as `metadata.requires` of the recipe says."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Final

from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheelfarm.errors import Collector, RecipeError
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.recipes.build_requirements import loosened, name_of, without_extras

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from wheelfarm.recipes.metadata_table import RunRequires

_LOWER: Final = {">=", ">"}
_KEY: Final = "metadata.requires"


def edit_run_requires(
    stated: Sequence[str], edits: RunRequires, *, where: str, built: Mapping[str, str] | None
) -> tuple[list[str | None], list[str]]:
    """Each stated requirement after the edits, None where it goes, and the added ones.

    Args:
        stated: the values of Requires-Dist; those of extras stay as they are.
        edits: the recipe's.
        where: the recipe's file, for errors.
        built: the version of each distribution in the build environment; None before the build: then no
            requirement is pinned.

    Raises:
        RecipeError: a group, for each edit that changes nothing, and each pin to what it was not built with.
    """
    names = {text: name_of(text, where) for text in without_extras(stated)}
    _check_edits(edits, names, stated=stated, built=built, where=where)
    now = {text: text for text, name in names.items() if name not in edits.remove}
    problems = Collector()
    for name in edits.loosen:
        with problems.collect():
            _change(now, name, loosened, key="loosen", where=where)
    now |= {text: text for text in edits.add}
    pins = (
        {name: pin(form, built[name]) for name, form in edits.pin_to_built.items()}
        if built is not None
        else {}
    )
    for name, specifier in pins.items():
        with problems.collect():
            _change(now, name, partial(_pinned, specifier=specifier), key="pin-to-built", where=where)
    problems.check()
    return [text if text not in names else now.get(text) for text in stated], [
        now[text] for text in edits.add
    ]


def edited_run_requires(stated: Sequence[str], edits: RunRequires, where: str) -> list[str]:
    """The run requirements of a source after the edits; pins to what is built with follow from the build.

    Raises:
        RecipeError: a group, for each edit that changes nothing.
    """
    if not stated:
        # A source may leave them to its build, after which the edits are checked.
        return list(edits.add)
    after, added = edit_run_requires(stated, edits, where=where, built=None)
    return [*(each for each in after if each is not None), *added]


def _check_edits(
    edits: RunRequires,
    names: Mapping[str, str],
    *,
    stated: Iterable[str],
    built: Mapping[str, str] | None,
    where: str,
) -> None:
    """Refuse edits of what is not required, and pins to what is not in the build environment."""
    problems = Collector()
    added = [canonicalize_name(parse_requirement(text).name) for text in edits.add]
    for problem in _absent(edits, sorted({*names.values()}), added, stated=stated, where=where):
        problems.add(problem)
    required = [parse_requirement(text) for text in names]
    for text in edits.add:
        if parse_requirement(text) in required:
            problems.add(_no_effect(f"{text!r} is required already", key="add", where=where))
    for name in sorted(edits.pin_to_built.keys() - built.keys()) if built is not None else ():
        problems.add(not_built_with(name, built or {}, where))
    problems.check()


def _change(now: dict[str, str], name: str, change: Callable[[str], str], *, key: str, where: str) -> None:
    """Change the requirements of a distribution; a RecipeError where they say the same then."""
    new = {text: change(each) for text, each in now.items() if name_of(each, where) == name}
    if all(parse_requirement(now[text]) == parse_requirement(each) for text, each in new.items()):
        why = f"it requires {', '.join(now[text] for text in new)}"
        what = f"{'loosening' if key == 'loosen' else 'pinning'} {name} changes nothing"
        raise _no_effect(what, key=key, where=where, why=why)
    now |= new


def _absent(
    edits: RunRequires, names: Sequence[str], added: Sequence[str], *, stated: Iterable[str], where: str
) -> Iterator[RecipeError]:
    """An error for each edit of what is not required."""
    for verb, concerned, known in (
        ("remove", edits.remove, names),
        ("loosen", edits.loosen, names),
        ("pin-to-built", edits.pin_to_built, [*names, *added]),
    ):
        for name in (each for each in concerned if each not in known):
            of_extra = any(name_of(text, where) == name for text in stated)
            yield RecipeError(
                f"{name!r} is not among the run requirements",
                where=f"{where}: {_KEY}.{verb}",
                why=f"only an extra requires {name}, and extras stay as they are"
                if of_extra
                else f"they are: {', '.join(names) or 'none'}",
                hint=f'add it too: add = ["{name}"]'
                if verb == "pin-to-built"
                else "drop the edit: it has no effect",
            )


def not_built_with(name: str, known: Iterable[str], where: str) -> RecipeError:
    """The error about a pin to a distribution that the build environment does not hold."""
    return RecipeError(
        f"{name!r} cannot be pinned to the version that it was built with: it was built without",
        where=f"{where}: {_KEY}.pin-to-built",
        why=f"the build environment has {', '.join(sorted(known)) or 'nothing'}",
        hint="name it in requires.host or build-requires.add; or add the requirement with its versions",
    )


def _no_effect(what: str, *, key: str, where: str, why: str | None = None) -> RecipeError:
    hint = "drop the edit: it has no effect"
    return RecipeError(what, where=f"{where}: {_KEY}.{key}", why=why, hint=hint)


def pin(form: str, version: str) -> Specifier:
    """The specifier that pins to a version in a form such as `>=x.x`; it allows that version.

    The parts are those of the release segment (PEP 440). Installers leave pre-releases out unless a
    specifier names one: of those, the whole public version takes the place of the parts.
    """
    operator, count, found = form[:2], form.count("x"), Version(version)
    epoch = f"{found.epoch}!" if found.epoch else ""
    parts = [*map(str, found.release), *["0"] * (count - len(found.release))]
    if found.is_prerelease:
        ending = found.public.removeprefix(found.base_version)
        return Specifier(f"{operator}{epoch}{'.'.join(parts)}{ending}")
    return Specifier(f"{operator}{epoch}{'.'.join(parts[:count])}{'.*' if operator == '==' else ''}")


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
