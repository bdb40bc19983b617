"""Splits: further wheels from the files of one build, such as `scipy-tests`."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from email.parser import HeaderParser
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.build.backends import main_tags
from wheelfarm.build.metadata import edited_metadata
from wheelfarm.errors import Collector, SplitError
from wheelfarm.recipes.expect_table import Expect
from wheelfarm.recipes.nightly import is_nightly
from wheelfarm.recipes.recipe import Test
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.contents import Kind, kind_of
from wheelfarm.wheels.rewrite import Changes, rewrite_wheel, write_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.model import Name, RepairedWheel
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.recipe import Split
    from wheelfarm.wheels.archive import Wheel


_ROOTS: Final = frozenset({"{py_platlib}", "{py_purelib}"})
"""Meson's names for the directory that becomes the top of a wheel."""
_EXTENSIONS: Final = (".so", ".pyd")
_COPIED_FIELDS: Final = frozenset(
    {
        *("version", "author", "author-email", "maintainer", "maintainer-email"),
        *("license", "license-expression", "license-file", "classifier", "project-url", "home-page"),
        *("platform", "requires-python", "provides-extra"),
    }
)


def divide(
    build: Build, repaired: RepairedWheel, install_plan: Mapping[str, str], directory: Path
) -> dict[Name, RepairedWheel]:
    """Write the wheels of a build, by distribution, the main one first.

    Without splits, and without edits of its metadata, it is the whole. One whose source says another version
    than the plan, as that of a nightly or of a recipe with a local version, gets the version of the plan.

    Args:
        build: whose wheel it is.
        repaired: the whole wheel from the repair tool.
        install_plan: of the environment report.
        directory: where the wheels go; it is made.

    Raises:
        RecipeError: when an edit of the metadata changes nothing, or pins to what it was not built with.
        SplitError: when the wheel cannot be divided as the recipe says, or lacks files that have no tag.
    """
    _check_tagged(build, install_plan)
    if is_nightly(build.recipe.table) or build.version != build.recipe.table.version:
        directory.mkdir(exist_ok=True)
        path = write_version(open_wheel(repaired.path), directory, build.version).path
        repaired = replace(repaired, path=path, sha256=sha256_of_file(path))
    whole = open_wheel(repaired.path)
    written = edited_metadata(build, whole, repaired)
    if not build.splits and not written:
        return {build.id.name: repaired}
    members = _members_by_split(build, whole, install_plan) if build.splits else {}
    directory.mkdir(exist_ok=True)
    removed = frozenset[str]().union(*members.values())
    changes = Changes(dropped=removed, written=written)
    main = rewrite_wheel(whole, directory / whole.path.name, changes).path
    paths = {build.id.name: main}
    paths |= {name: _write_split(whole, build, name, members[name], directory) for name in build.splits}
    return {name: replace(repaired, path=path, sha256=sha256_of_file(path)) for name, path in paths.items()}


def _tags_by_path(install_plan: Mapping[str, str]) -> dict[PurePosixPath, str]:
    """The tag of each file or directory, by its path in the wheel."""
    paths = ((PurePosixPath(destination), tag) for destination, tag in install_plan.items())
    return {path.relative_to(path.parts[0]): tag for path, tag in paths if path.parts[0] in _ROOTS}


def _check_tagged(build: Build, install_plan: Mapping[str, str]) -> None:
    """Refuse a wheel that lacks files without any tag: `meson install --tags` leaves them out silently."""
    if main_tags(build) is None:
        return
    lost = sorted(str(path) for path, tag in _tags_by_path(install_plan).items() if not tag)
    if lost:
        raise SplitError(
            f"{build.id}: without an install tag, no wheel gets {', '.join(lost)}",
            where=f"{build.recipe.where}: config-settings.install-args",
            why="meson install --tags takes what has one of the tags, and leaves out what has none",
            hint="give it an install_tag in a patch of meson.build; or take --tags out and split by files",
        )


def _is_in_split(split: Split, member: str, tags: Mapping[PurePosixPath, str]) -> bool:
    if split.install_tags is None:
        return any(fnmatchcase(member, glob) for glob in split.files or ())
    path = PurePosixPath(member)
    # The nearest: a directory of tests in an installed directory has a tag of its own.
    nearest = next((tags[each] for each in (path, *path.parents) if each in tags), None)
    return nearest in split.install_tags


def _members_by_split(
    build: Build, wheel: Wheel, install_plan: Mapping[str, str]
) -> dict[Name, frozenset[str]]:
    """The members that each split of a build gets, without metadata."""
    tags, where = _tags_by_path(install_plan), f"{build.recipe.where}: splits"
    payload = [member.name for member in wheel.members if not member.name.startswith(f"{wheel.dist_info}/")]
    problems, split_of = Collector(), dict[str, "Name"]()
    for name, split in build.splits.items():
        members = [member for member in payload if _is_in_split(split, member, tags)]
        if not members:
            known = ", ".join(sorted({tag for tag in tags.values() if tag}))
            why = f"nothing in {wheel.path.name} is of {', '.join(split.install_tags or split.files or [])}"
            why += f"; tags are {known}" if split.install_tags else ""
            problems.add(SplitError(f"{name} is empty", where=where, why=why))
        twice = next((member for member in members if member in split_of), None)
        if twice is not None:
            what = f"{name} and {split_of[twice]} both get {twice}"
            problems.add(SplitError(what, where=where, hint="narrow one of the two"))
        split_of |= dict.fromkeys(members, name)
    if len(split_of) == len(payload):
        what = f"nothing is left for {build.id.name} itself"
        problems.add(SplitError(what, where=where, hint="narrow the splits"))
    problems.check()
    return {name: frozenset(each for each, of in split_of.items() if of == name) for name in build.splits}


def split_metadata(split: Split, name: Name, whole: Wheel, metadata: str) -> str:
    """METADATA of a split (core metadata specification).

    A split requires the same version of the main wheel, which brings the requirements of the whole; its
    extras are those of the whole. Commands and the long description stay in the main wheel.
    """
    fields = HeaderParser().parsestr(metadata)
    lines = [
        f"Metadata-Version: {fields['Metadata-Version']}",
        f"Name: {name}",
        f"Summary: {split.summary or f'split off {whole.name}'}",
        f"Requires-Dist: {whole.name}=={whole.version}",
    ]
    for key, value in fields.items():
        # Extras, such as the requirements of tests, have the same names as those of the whole.
        of_extra = key.lower() == "requires-dist" and "extra ==" in value.partition(";")[2]
        if key.lower() in _COPIED_FIELDS or of_extra:
            lines.append(f"{key}: {value}")
    return "\n".join(lines) + "\n\n"


def _is_copied(member: str, dist_info: str) -> bool:
    """Whether a split has a copy of a member of `.dist-info`: its tags, and the licenses (PEP 639)."""
    above, _, inside = member.partition("/")
    words = ("licen", "copying", "notice", "authors")
    return above == dist_info and (inside == "WHEEL" or inside.lower().startswith(words))


def _write_split(wheel: Wheel, build: Build, name: Name, members: frozenset[str], directory: Path) -> Path:
    filename = name.replace("-", "_")
    dist_info = f"{filename}-{wheel.dist_info.partition('-')[2]}"
    dropped = frozenset(
        member.name
        for member in wheel.members
        if member.name not in members and not _is_copied(member.name, wheel.dist_info)
    )
    with zipfile.ZipFile(wheel.path) as archive:
        metadata = archive.read(f"{wheel.dist_info}/METADATA").decode().replace("\r\n", "\n")
    text = split_metadata(build.splits[name], name, wheel, metadata)
    written = {f"{dist_info}/METADATA": text.encode()}
    path = directory / f"{filename}-{wheel.path.name.partition('-')[2]}"
    rewrite_wheel(wheel, path, Changes(dropped=dropped, dist_info=dist_info, written=written))
    return path


def split_as_build(build: Build, name: Name, *, main: Wheel, wheel: Wheel) -> Build:
    """The build that the gate checks for a split.

    A split may need the libraries that the main wheel may, and those that the repair put into that.
    Stripping, platform tag and instruction set are as for the main wheel, and its test is its imports.
    """
    expect = build.resolved.expect
    libraries = (member.name for member in main.members if kind_of(member.name) is Kind.LIBRARY)
    vendored = [PurePosixPath(name).name for name in libraries]
    expectations = {
        "needs": None if expect.needs is None else [*expect.needs, *vendored],
        "stripped": expect.stripped,
        "platform-tag": expect.platform_tag,
        "instruction-set": expect.instruction_set,
        "extensions": any(member.name.endswith(_EXTENSIONS) for member in wheel.members),
    }
    test = Test(imports=build.splits[name].imports)
    resolved = replace(build.resolved, expect=Expect.model_validate(expectations), test=test)
    return replace(build, id=replace(build.id, name=name), resolved=resolved)
