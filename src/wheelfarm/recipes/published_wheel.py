"""What the index's wheel of the same release says of the wheel to build: it is read, and never run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import ArchiveError, HashError, SourceError, WheelError
from wheelfarm.recipes.build_requirements import without_extras
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.binary import externals, library_stem
from wheelfarm.wheels.contents import Kind, contents, kind_of, test_members, vendored
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from wheelfarm.model import Name, Target
    from wheelfarm.sources.fetcher import Fetcher
    from wheelfarm.wheels.archive import Wheel
    from wheelfarm.wheels.binary import Binary

_INIT: Final = "__init__"


@dataclass(frozen=True, kw_only=True)
class PublishedWheel:
    """The wheel of a release that fits this machine."""

    filename: str
    packages: tuple[str, ...]
    extensions: tuple[str, ...]
    """Its extension modules, as `import` calls them, without those that only tests use."""
    tests: bool
    """Whether it holds tests."""
    libraries: tuple[str, ...]
    """The libraries that upstream's repair tool has put into it."""
    linked: Mapping[str, tuple[str, ...]]
    """Extension module → those of the libraries that it is linked against, as `libyaml`."""
    needs: tuple[str, ...]
    """The libraries that it needs from outside."""
    requires_dist: tuple[str, ...]
    """Without those of extras."""


def read_published(
    fetcher: Fetcher, name: Name, version: str, target: Target, glibc: tuple[int, int]
) -> PublishedWheel | None:
    """The index's wheel of a release for a target; None where it has none that can be read.

    Raises:
        NetworkError: when the index cannot be reached.
    """
    try:
        return _describe(open_wheel(fetcher.published(name, version, target, glibc).path))
    except (SourceError, HashError, ArchiveError, WheelError):
        return None


def _describe(wheel: Wheel) -> PublishedWheel:
    binaries = linkage(wheel)
    return PublishedWheel(
        filename=wheel.path.name,
        packages=contents(wheel).packages,
        extensions=extension_modules(wheel),
        tests=bool(test_members(wheel)),
        libraries=tuple(sorted(each.name.rpartition("/")[2] for each in vendored(wheel))),
        linked=linked_libraries(binaries, {each.name for each in vendored(wheel)}),
        needs=tuple(externals(binaries)),
        requires_dist=tuple(without_extras(wheel.metadata.requires_dist)),
    )


def extension_modules(wheel: Wheel) -> tuple[str, ...]:
    """The extension modules of a wheel, as `import` calls them, without those that only tests use."""
    members = (each.name for each in wheel.members if kind_of(each.name) is Kind.EXTENSION)
    return tuple(sorted({module for name in members if (module := _module(name))}))


def linked_libraries(binaries: Iterable[Binary], members: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Each extension module that is linked against some of these members → their names, without versions."""
    binaries = tuple(binaries)
    libraries = [each for each in binaries if each.member in members]
    stems = {name: library_stem(each.member) for each in libraries for name in each.names}
    found = dict[str, tuple[str, ...]]()
    for each in binaries:
        needed = each.needs & stems.keys()
        if needed and (module := _module(each.member)) and kind_of(each.member) is Kind.EXTENSION:
            found[module] = tuple(sorted({stems[name] for name in needed}))
    return found


def _module(member: str) -> str | None:
    """The name by which an extension module is imported; None where `import` does not find it."""
    *packages, file = member.split("/")
    if packages and packages[0].endswith(".data"):
        packages = packages[2:]
    stem = file.partition(".")[0]
    parts = packages if stem == _INIT else [*packages, stem]
    return ".".join(parts) if parts and all(each.isidentifier() for each in parts) else None
