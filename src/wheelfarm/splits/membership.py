"""Which of a wheel's members a split gets: told by Meson's install plan, or by globs."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, SplitError
from wheelfarm.stage import main_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.model import Name
    from wheelfarm.plan import Build
    from wheelfarm.recipes import Split
    from wheelfarm.wheels import Wheel

_ROOTS: Final = frozenset({"{py_platlib}", "{py_purelib}"})
"""What Meson calls the directory that becomes the top of a wheel."""


def tags_by_path(install_plan: Mapping[str, str]) -> dict[PurePosixPath, str]:
    """The tag of what stands at a path of the wheel, a file or a whole directory.

    Args:
        install_plan: the tag by destination, as `meson introspect --install-plan` gives both.
    """
    paths = ((PurePosixPath(destination), tag) for destination, tag in install_plan.items())
    return {path.relative_to(path.parts[0]): tag for path, tag in paths if path.parts[0] in _ROOTS}


def check_tagged(build: Build, install_plan: Mapping[str, str]) -> None:
    """Refuse what `meson install --tags` leaves out without a word: files that have no tag at all.

    Files of a tag that nobody asks for are left out on purpose; these would be missed by their users.

    Args:
        build: whose wheel it is.
        install_plan: the tag by destination, an empty one where it has none.

    Raises:
        SplitError: with all that would be lost.
    """
    if main_tags(build) is None:
        return
    lost = sorted(str(path) for path, tag in tags_by_path(install_plan).items() if not tag)
    if lost:
        raise SplitError(
            f"{build.id}: without an install tag, no wheel gets {', '.join(lost)}",
            where=f"{build.entry.where}: config-settings.install-args",
            why="meson install --tags takes what has one of the tags, and leaves out what has none",
            hint="give it an install_tag in a patch of meson.build; or take --tags out and split by files",
        )


def _tag(member: str, tags: Mapping[PurePosixPath, str]) -> str | None:
    path = PurePosixPath(member)
    # The nearest: a directory of tests in an installed directory has a tag of its own.
    return next((tags[place] for place in (path, *path.parents) if place in tags), None)


def _gets(split: Split, member: str, tags: Mapping[PurePosixPath, str]) -> bool:
    if split.install_tags is not None:
        return _tag(member, tags) in split.install_tags
    return any(fnmatchcase(member, glob) for glob in split.files or ())


def members_of(build: Build, wheel: Wheel, install_plan: Mapping[str, str]) -> dict[Name, frozenset[str]]:
    """The members that each split of a build gets; the metadata of the wheel is not among them.

    Args:
        build: whose wheel it is.
        wheel: the whole wheel.
        install_plan: the tag by destination; empty where Meson does not build.

    Raises:
        SplitError: a group, where a split gets nothing, or what another one gets too, or nothing is left.
    """
    tags, where = tags_by_path(install_plan), build.entry.where
    payload = [member.name for member in wheel.members if not member.name.startswith(f"{wheel.dist_info}/")]
    problems, owner = Collector(), dict[str, "Name"]()
    for name, split in build.splits.items():
        members = [member for member in payload if _gets(split, member, tags)]
        asked = split.install_tags or split.files or []
        if not members:
            tagged = ", ".join(sorted({tag for tag in tags.values() if tag}))
            known = f"; tags are {tagged}" if split.install_tags else ""
            why = f"nothing in {wheel.path.name} is of {', '.join(asked)}{known}"
            problems.add(SplitError(f"{name} is empty", where=f"{where}: splits", why=why))
        twice = [member for member in members if member in owner]
        if twice:
            what = f"{name} and {owner[twice[0]]} both get {twice[0]}"
            problems.add(SplitError(what, where=f"{where}: splits", hint="narrow one of the two"))
        owner |= dict.fromkeys(members, name)
    if len(owner) == len(payload):
        what = f"nothing is left for {build.id.name} itself"
        problems.add(SplitError(what, where=f"{where}: splits", hint="narrow the splits"))
    problems.check()
    return {
        name: frozenset(member for member, whose in owner.items() if whose == name) for name in build.splits
    }
