"""What the gate is asked of a split: a build of its own, whose wheel is installed beside the main one."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.build.install_tags import main_tags
from wheelfarm.errors import Collector, SplitError
from wheelfarm.recipes.recipe import Expect, Test
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.contents import Kind, kind_of
from wheelfarm.wheels.rewrite import Changes, write_edition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wheelfarm.model import Name, RepairedWheel
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.recipe import Split
    from wheelfarm.wheels.wheel import Wheel


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
            where=f"{build.recipe.where}: config-settings.install-args",
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
    tags, where = tags_by_path(install_plan), build.recipe.where
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


_KEPT: Final = frozenset(
    {
        *("metadata-version", "version", "author", "author-email", "maintainer", "maintainer-email"),
        *("license", "license-expression", "license-file", "classifier", "project-url", "home-page"),
        *("platform", "requires-python", "provides-extra"),
    }
)


def _fields(metadata: str) -> Iterator[tuple[str, str]]:
    """Name in lower case and text, with the lines that go on with it, of each field."""
    field = ""
    head, _, _ = metadata.partition("\n\n")
    for line in head.split("\n"):
        if field and not line.startswith((" ", "\t")):
            yield field.partition(":")[0].lower(), field
            field = ""
        field = f"{field}\n{line}" if field else line
    if field:
        yield field.partition(":")[0].lower(), field


def _stays(name: str, field: str) -> bool:
    # What the extras need, such as the test requirements, is asked for by the same words as of the whole.
    return name in _KEPT or (name == "requires-dist" and "extra ==" in field.partition(";")[2])


def metadata_of(split: Split, name: Name, whole: Wheel, metadata: str) -> str:
    """METADATA of a split (core metadata specification).

    It needs the very version of the main wheel, which brings what the whole needs, and the extras are as
    they were. Commands and the long description are the main wheel's alone.

    Args:
        split: what the recipe says of it.
        name: its distribution.
        whole: the wheel that it is split off.
        metadata: METADATA of that, whose lines end as those of Unix.
    """
    fields = {"name": f"Name: {name}"}
    fields["summary"] = f"Summary: {split.summary or f'split off {whole.name}'}"
    fields["requires"] = f"Requires-Dist: {whole.name}=={whole.version}"
    kept = [(key, field) for key, field in _fields(metadata) if _stays(key, field)]
    first = [field for key, field in kept if key == "metadata-version"]
    rest = [field for key, field in kept if key != "metadata-version"]
    return "\n".join([*first, *fields.values(), *rest]) + "\n\n"


def _copied(member: str, dist_info: str) -> bool:
    """Whether a split has a member of the whole's `.dist-info`: its tags, and the licences (PEP 639)."""
    above, _, inside = member.partition("/")
    words = ("licen", "copying", "notice", "authors")
    return above == dist_info and (inside == "WHEEL" or inside.lower().startswith(words))


def _split_off(wheel: Wheel, build: Build, name: Name, members: frozenset[str], directory: Path) -> Path:
    """Write the wheel of a split."""
    written = name.replace("-", "_")
    dist_info = f"{written}-{wheel.dist_info.partition('-')[2]}"
    dropped = {
        member.name
        for member in wheel.members
        if member.name not in members and not _copied(member.name, wheel.dist_info)
    }
    with zipfile.ZipFile(wheel.path) as archive:
        metadata = archive.read(f"{wheel.dist_info}/METADATA").decode().replace("\r\n", "\n")
    text = metadata_of(build.splits[name], name, wheel, metadata)
    changes = Changes(
        dropped=frozenset(dropped), dist_info=dist_info, written={f"{dist_info}/METADATA": text.encode()}
    )
    path = directory / f"{written}-{wheel.path.name.partition('-')[2]}"
    write_edition(wheel, path, changes)
    return path


def divide(
    build: Build, repaired: RepairedWheel, install_plan: Mapping[str, str], directory: Path
) -> dict[Name, RepairedWheel]:
    """The wheels of a build by distribution, the main one first.

    Args:
        build: whose wheel it is.
        repaired: the whole, as the repair tool left it; without splits it is the main wheel.
        install_plan: Meson's tag by destination, an empty one where it has none; nothing of other backends.
        directory: where the wheels go; it is made.

    Raises:
        SplitError: where the whole cannot be divided as the recipe says, or lacks files that have no tag.
        WheelError: when it is no sound wheel.
        OSError: when a wheel cannot be written.
    """
    check_tagged(build, install_plan)
    if not build.splits:
        return {build.id.name: repaired}
    whole = open_wheel(repaired.path)
    members = members_of(build, whole, install_plan)
    directory.mkdir(exist_ok=True)
    taken = frozenset[str]().union(*members.values())
    main = write_edition(whole, directory / whole.path.name, Changes(dropped=taken)).path
    paths = {build.id.name: main}
    paths |= {name: _split_off(whole, build, name, members[name], directory) for name in build.splits}
    return {name: replace(repaired, path=path, sha256=sha256_of_file(path)) for name, path in paths.items()}


_EXTENSIONS: Final = (".so", ".pyd")


def subject(build: Build, name: Name, *, main: Wheel, wheel: Wheel) -> Build:
    """The build as the gate sees it when it looks at a split.

    A split may need from outside what the main wheel may, and what repair has put into that; it must be as
    stripped and serve as old systems. What it is for, its imports tell.

    Args:
        build: the build.
        name: the split's distribution.
        main: the main wheel.
        wheel: the split's wheel.
    """
    expect = build.resolved.expect
    vendored = [
        PurePosixPath(member.name).name for member in main.members if kind_of(member.name) is Kind.LIBRARY
    ]
    asked = {
        "needs": None if expect.needs is None else [*expect.needs, *vendored],
        "stripped": expect.stripped,
        "platform-tag": expect.platform_tag,
        "extensions": any(member.name.endswith(_EXTENSIONS) for member in wheel.members),
    }
    test = Test(imports=build.splits[name].imports)
    resolved = replace(build.resolved, expect=Expect.model_validate(asked), test=test)
    return replace(build, id=replace(build.id, name=name), resolved=resolved)
