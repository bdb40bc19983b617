"""Meson's install tags: what `meson install --tags` is told, so that splits get what they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wheelfarm.plan.build import Build

SETTING: Final = "install-args"
_OPTION: Final = "--tags"


def stated(arguments: Sequence[str]) -> tuple[str, ...] | None:
    """The tags that an installation is told, of which the last list counts; None where all is installed."""
    value: str | None = None
    for place, word in enumerate(arguments):
        if word == _OPTION:
            value = "".join(arguments[place + 1 : place + 2])
        elif word.startswith(f"{_OPTION}="):
            value = word.removeprefix(f"{_OPTION}=")
    return None if value is None else tuple(tag.strip() for tag in value.split(",") if tag.strip())


def with_tags(arguments: Sequence[str], more: Iterable[str]) -> tuple[str, ...]:
    """Arguments that install some more tags too; where all is installed, nothing changes."""
    tags, more = stated(arguments), tuple(more)
    if tags is None or not more:
        return tuple(arguments)
    return (*arguments, f"{_OPTION}={','.join(dict.fromkeys([*tags, *more]))}")


def main_tags(build: Build) -> tuple[str, ...] | None:
    """The tags that a recipe asks for in the main wheel; None where all is installed."""
    return stated(dict(build.resolved.config_settings.items).get(SETTING, ()))


def split_tags(build: Build) -> tuple[str, ...]:
    """The tags that the splits of a build ask for."""
    return tuple(tag for split in build.splits.values() for tag in split.install_tags or ())


def check_install_tags(build: Build, *, meson: bool) -> None:
    """Refuse splits by tags where there are none, or where the main wheel asks for the same.

    Args:
        build: whose splits they are.
        meson: whether the source is built by meson-python.

    Raises:
        RecipeError: a group with each split that cannot be.
    """
    problems = Collector()
    main = main_tags(build)
    for name, split in build.splits.items():
        if split.install_tags and not meson:
            why = "install tags are Meson's, and the source is not built by meson-python"
            hint = 'say files = ["<package>/tests/*"] in their place'
            problems.add(RecipeError(f"{name} cannot be split", where=build.recipe.where, why=why, hint=hint))
        for tag in split.install_tags or ():
            if tag in (main or ()):
                hint = f"take {tag} out of config-settings.{SETTING}"
                what = f"both {build.id.name} and {name} ask for the install tag {tag!r}"
                problems.add(RecipeError(what, where=build.recipe.where, hint=hint))
    problems.check()
