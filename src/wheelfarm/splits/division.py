"""The division of a repaired wheel: the main wheel, and one for each split of the recipe.

One compile and one installation make the whole; what is installed where, with which tag, Meson's own install
plan tells. So nothing is configured, linked or packed a second time. What repair has vendored stays with the
main wheel, from which a split's extension modules take it, since both are installed side by side.
"""

from __future__ import annotations

import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

from wheelfarm.plan import file_digest
from wheelfarm.splits.membership import check_tagged, members_of
from wheelfarm.splits.metadata import metadata_of
from wheelfarm.wheels import Changes, open_wheel, write_edition

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.model import Name, RepairedWheel
    from wheelfarm.plan import Build
    from wheelfarm.wheels import Wheel


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
    return {name: replace(repaired, path=path, sha256=file_digest(path)) for name, path in paths.items()}
