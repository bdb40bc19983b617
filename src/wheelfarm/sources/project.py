"""The page of a project in a simple index (PEP 503 and 691), and the files on it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from packaging.tags import compatible_tags, cpython_tags, mac_platforms
from packaging.utils import InvalidWheelFilename
from packaging.version import Version

from wheelfarm.errors import SourceError
from wheelfarm.model.wheel_names import is_any_platform, parse_wheel_filename
from wheelfarm.sources.cache import mismatch
from wheelfarm.sources.urls import local_path, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from packaging.tags import Tag
    from pypi_simple import DistributionPackage

    from wheelfarm.model import Digest, Name, Target
    from wheelfarm.sources.network import HttpClient


_LEGACY: Final = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
"""Names of three glibc versions before PEP 600."""

_OLDEST_GLIBC: Final = {"x86_64": 5, "i686": 5}
_OLDEST_GLIBC_ELSEWHERE: Final = 17
"""PEP 599: manylinux2014 was the first for other architectures."""

_MUSL: Final = ((1, 2), (1, 1))
_MACOS: Final = (14, 0)
"""The oldest macOS that builds run on: Accelerate's LAPACK needs it."""


def supported_tags(target: Target, glibc: tuple[int, int]) -> tuple[Tag, ...]:
    """All tags that fit a target, best first; the builder's glibc counts for manylinux alone."""
    version, interpreter = target.python.version, target.python.tag
    platforms = tuple(_platforms(target, glibc))
    return (
        *cpython_tags(version, [interpreter], platforms),
        *compatible_tags(version, interpreter, platforms),
    )


def _platforms(target: Target, glibc: tuple[int, int]) -> Iterator[str]:
    match target.system:
        case "manylinux":
            yield f"linux_{target.arch}"
            yield from _manylinux(target.arch, glibc)
        case "musllinux":
            yield f"linux_{target.arch}"
            yield from (f"musllinux_{major}_{minor}_{target.arch}" for major, minor in _MUSL)
        case "macosx" if target.arch == "universal2":
            yield from (name for name in mac_platforms(_MACOS, "arm64") if name.endswith(target.arch))
        case "macosx":
            yield from mac_platforms(_MACOS, target.arch)
        case _:
            yield f"win{target.arch}" if target.arch == "32" else f"win_{target.arch}"


def _manylinux(arch: str, glibc: tuple[int, int]) -> Iterator[str]:
    """From the given glibc down to the oldest (PEP 600), each with its older name after it."""
    major, newest = glibc
    oldest = _OLDEST_GLIBC.get(arch, _OLDEST_GLIBC_ELSEWHERE)
    for minor in range(newest, oldest - 1, -1):
        yield f"manylinux_{major}_{minor}_{arch}"
        if name := _LEGACY.get((major, minor)):
            yield f"{name}_{arch}"


@dataclass(frozen=True)
class Project:
    """The files of one project, in the order of its page."""

    name: Name
    url: str
    """Of its page, without credentials."""
    files: tuple[DistributionPackage, ...]

    @classmethod
    def read(cls, name: Name, network: HttpClient) -> Project:
        """Read the page from the index.

        Raises:
            SourceError: when the index does not know the project, or answers in an unknown format.
            NetworkError: when it cannot be reached.
        """
        url = f"{network.index_url.rstrip('/')}/{name}/"
        try:
            page = _read(name, url, network)
        except SourceError as error:
            raise SourceError(f"the index has no project {name}", where=shown(url), why=error.why) from None
        except ValueError as error:
            raise SourceError(
                f"the page of {name} cannot be read",
                where=shown(url),
                why=str(error),
                hint="is this a simple index?",
            ) from error
        return cls(name, shown(url), tuple(page))

    def sdist(self, version: str, pinned: Digest) -> DistributionPackage:
        """The source distribution of a version with the pinned digest.

        Raises:
            SourceError: when there is none of this version.
            HashError: when there is one, but the index gives it another digest.
        """
        return self._pinned(self.sdists(version), {pinned})

    def sdists(self, version: str) -> list[DistributionPackage]:
        """The source distributions of a version, whatever their digests.

        Raises:
            SourceError: when there is none.
        """
        found = [file for file in self._of_version(version) if file.package_type == "sdist"]
        if not found:
            raise self._missing(
                version, "source distribution", "use the git repository or an archive as the source"
            )
        return found

    def pure_wheel(self, version: str, pinned: Digest) -> DistributionPackage:
        """The wheel of a version for any platform with the pinned digest.

        Raises:
            SourceError: when there is none of this version.
            HashError: when there is one, but the index gives it another digest.
        """
        found = [file for file in self._of_version(version) if is_any_platform(file.filename)]
        if not found:
            hint = 'build it from its source: source.kind = "sdist"'
            raise self._missing(version, "wheel for any platform", hint)
        return self._pinned(found, {pinned})

    def wheel(
        self, version: str, pinned: Collection[Digest], target: Target, glibc: tuple[int, int]
    ) -> DistributionPackage:
        """The best wheel of a version among those with one of the pinned digests.

        Raises:
            SourceError: when no wheel of this version fits.
            HashError: when some fit, but the index gives all of them other digests.
        """
        ranks = {tag: rank for rank, tag in enumerate(supported_tags(target, glibc))}
        ranked = ((_rank(file, ranks), file) for file in self._of_version(version))
        fitting = sorted(((rank, file) for rank, file in ranked if rank), key=lambda pair: pair[0])
        if not fitting:
            fits = f"{target} (glibc {glibc[0]}.{glibc[1]})" if target.system == "manylinux" else str(target)
            hint = "lock a version that has one, or make a recipe for it"
            raise self._missing(version, f"wheel for {fits}", hint)
        return self._pinned([file for _, file in fitting], pinned)

    def wheels(self, version: str) -> tuple[str, ...]:
        """The file names of the wheels of a version."""
        return tuple(file.filename for file in self._of_version(version) if file.package_type == "wheel")

    def file(self, filename: str, pinned: Digest) -> DistributionPackage:
        """The file with this name and the pinned digest.

        Raises:
            SourceError: when there is none of this name.
            HashError: when there is one, but the index gives it another digest.
        """
        found = [file for file in self.files if file.filename == filename]
        if not found:
            raise SourceError(f"the index has no {filename}", where=self.url)
        return self._pinned(found, {pinned})

    def _pinned(
        self, files: Sequence[DistributionPackage], pinned: Collection[Digest]
    ) -> DistributionPackage:
        """The first file that may have a pinned digest: the index need not give any (PEP 503)."""
        for file in files:
            if file.digests.get("sha256", "").lower() in {*pinned, ""}:
                return file
        first = files[0]
        raise mismatch(
            first.filename, self.url, pinned=pinned, found=f"{first.digests['sha256']} on the index"
        )

    def _of_version(self, version: str) -> Iterator[DistributionPackage]:
        wanted = Version(version)
        return (file for file in self.files if _version(file) == wanted)

    def _missing(self, version: str, kind: str, hint: str) -> SourceError:
        versions = sorted({found for file in self.files if (found := _version(file))})
        if Version(version) in versions:
            names = ", ".join(file.filename for file in self._of_version(version))
            return SourceError(
                f"{self.name} {version} has no {kind}",
                where=self.url,
                why=f"the index has {names}",
                hint=hint,
            )
        near = sorted(versions, key=lambda other: _distance(other, Version(version)))[:5]
        return SourceError(
            f"the index has no {self.name} {version}",
            where=self.url,
            why=f"the nearest versions are {', '.join(map(str, sorted(near)))}"
            if near
            else "its page lists no files",
        )


def _read(name: Name, url: str, network: HttpClient) -> list[DistributionPackage]:
    # Heavy to import, and with a filled cache no page is read.
    from wheelfarm.sources.simple_page import ACCEPT, read_page  # noqa: PLC0415

    if local_path(url) is not None:
        page = f"{url}index.html"
        return read_page(network.download(page, b"".join), "text/html", url=page, name=name)
    answer = network.get(url, network.read_whole, Accept=ACCEPT)
    kind = answer.headers.get("Content-Type", "text/html")
    return read_page(answer.content, kind, url=answer.url, name=name)


def _rank(file: DistributionPackage, ranks: Mapping[Tag, int]) -> tuple[int, int, str] | None:
    """The rank of a wheel: by best tag, then by highest build number; None if it does not fit."""
    try:
        _, _, build, tags = parse_wheel_filename(file.filename)
    except InvalidWheelFilename:
        return None
    number, suffix = build or (-1, "")
    best = min((ranks[tag] for tag in tags if tag in ranks), default=None)
    return None if best is None else (best, -number, suffix)


def _version(file: DistributionPackage) -> Version | None:
    try:
        return Version(file.version or "")
    except ValueError:
        return None


def _distance(version: Version, wanted: Version) -> list[int]:
    """How far apart two releases are, the first number counting most."""
    pairs = zip_longest(version.release, wanted.release, fillvalue=0)
    return [abs(one - other) for one, other in pairs]
