"""Meson's install tags, `meson install --tags=…`: which files get into the main wheel and into splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wheelfarm.plan.build import Build

SETTING: Final = "install-args"
_OPTION: Final = "--tags"


def parse_tags(arguments: Sequence[str]) -> tuple[str, ...] | None:
    """The tags in the arguments of `meson install`: the last list counts; None when all is installed."""
    value: str | None = None
    for index, word in enumerate(arguments):
        if word == _OPTION:
            value = "".join(arguments[index + 1 : index + 2])
        elif word.startswith(f"{_OPTION}="):
            value = word.removeprefix(f"{_OPTION}=")
    return None if value is None else tuple(tag.strip() for tag in value.split(",") if tag.strip())


def with_tags(arguments: Sequence[str], more: Iterable[str]) -> tuple[str, ...]:
    """Arguments that install further tags too; unchanged when all is installed."""
    tags, more = parse_tags(arguments), tuple(more)
    if tags is None or not more:
        return tuple(arguments)
    return (*arguments, f"{_OPTION}={','.join(dict.fromkeys([*tags, *more]))}")


def main_tags(build: Build) -> tuple[str, ...] | None:
    """The tags of the main wheel; None when all is installed."""
    return parse_tags(dict(build.resolved.config_settings.items).get(SETTING, ()))


def split_tags(build: Build) -> tuple[str, ...]:
    """The tags of the splits of a build."""
    return tuple(tag for split in build.splits.values() for tag in split.install_tags or ())


def check_install_tags(build: Build, *, meson: bool) -> None:
    """Refuse splits by install tags without Meson, and tags that the main wheel has too.

    Args:
        build: whose splits they are.
        meson: whether meson-python builds the source.

    Raises:
        RecipeError: a group with each invalid split.
    """
    problems = Collector()
    main, where = main_tags(build) or (), build.recipe.where
    for name, split in build.splits.items():
        if split.install_tags and not meson:
            why = "install tags are Meson's, and the source is not built by meson-python"
            hint = 'say files = ["<package>/tests/*"] in their place'
            problems.add(RecipeError(f"{name} cannot be split", where=where, why=why, hint=hint))
        for tag in split.install_tags or ():
            if tag in main:
                hint = f"take {tag} out of config-settings.{SETTING}"
                what = f"both {build.id.name} and {name} ask for the install tag {tag!r}"
                problems.add(RecipeError(what, where=where, hint=hint))
    problems.check()
