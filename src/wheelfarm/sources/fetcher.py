"""Fetching pinned sources and wheels, from the cache or from where they are published."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from wheelfarm.errors import SourceError
from wheelfarm.model import (
    DEFAULT_LIMITS,
    Archive,
    Digest,
    FetchedSource,
    GitCommit,
    Limits,
    PinnedWheel,
    PublicWheel,
    Sdist,
)
from wheelfarm.sources.archive_checks import check_size
from wheelfarm.sources.cache import Cache
from wheelfarm.sources.git import Checkout
from wheelfarm.sources.project import Project
from wheelfarm.sources.urls import index_or_default, mirrored, shown
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from packaging.version import Version
    from pypi_simple import DistributionPackage

    from wheelfarm.model import LockedRequirement, Name, Source, Target
    from wheelfarm.sources.network import HttpClient

logger = get_logger(__name__)


def wheel_question(requirement: LockedRequirement, target: Target, glibc: tuple[int, int]) -> dict[str, Any]:
    """The question under which the cache remembers the wheel of a locked requirement."""
    return {
        "wheel": requirement.name,
        "version": requirement.version,
        "hashes": sorted(requirement.hashes),
        "target": str(target),
        "glibc": list(glibc) if target.system == "manylinux" else None,
    }


def commit_question(name: Name, source: GitCommit) -> dict[str, Any]:
    """The question under which the cache remembers the tar of a commit."""
    return {
        "commit": source.commit.lower(),
        "submodules": source.submodules,
        "top": f"{name}-{source.version}",
        # Only relative urls of submodules depend on the repository's url.
        "url": shown(source.url) if source.submodules else None,
    }


@dataclass(frozen=True, kw_only=True)
class Fetcher:
    """Fetches sources and locked wheels; offline, from the cache alone."""

    cache: Path
    index_url: str | None
    """Of the simple index; its credentials go to its host only. None is the default of pypi-simple."""
    offline: bool = False
    timeout: float = 60
    """Seconds without an answer after which a server counts as gone."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """The host's environment, for git."""
    limits: Limits = DEFAULT_LIMITS
    mirrors: Mapping[str, str] = field(default_factory=dict)
    """For the urls of archives and repositories; see `mirrored`."""
    pages: dict[Name, Project] | None = None
    """The pages of the index that it has read, where each is read once; None where each is read again.

    The links of some indexes expire, so this is for what takes seconds.
    """

    def project(self, name: Name) -> Project:
        """What the index has of a project, to choose from.

        Raises:
            NetworkError: when the index cannot be reached.
            SourceError: when it does not know the project.
        """
        if self.pages is None:
            return Project.read(name, self._network)
        if name not in self.pages:
            self.pages[name] = Project.read(name, self._network)
        return self.pages[name]

    def source(self, name: Name, source: Source) -> FetchedSource:
        """The archive of a source; for a commit, a tar that is the same on each machine.

        Raises:
            NetworkError: when it is not in the cache and the server cannot be reached.
            SourceError: when the index or repository does not have it.
            HashError: when its bytes are not the pinned ones; nothing is stored then.
            ProcessError: when git is missing.
        """
        if isinstance(source, GitCommit):
            path, digest = self._commit(name, source)
        else:
            path, digest = self._archive(name, source), source.sha256
        if isinstance(source, PublicWheel):
            check_size(path, self.limits)
        return FetchedSource(name=name, version=source.version, path=path, sha256=digest)

    def branch_head(self, url: str, branch: str) -> tuple[str, int]:
        """The newest commit of a branch, and its time in seconds since 1970.

        Raises:
            SourceError: when the repository has no such branch.
            NetworkError: when it cannot be reached, or offline.
            ProcessError: when git is missing.
        """
        return self._checkout.head(url, branch)

    def another_version(
        self, name: Name, source: Source, version: str, *, commit: str | None = None
    ) -> Source:
        """The source of another version, pinned by what the index, the url or the repository has now.

        Args:
            name: the distribution.
            source: of the version that is pinned. The url of an archive must hold its version.
            version: the other one.
            commit: of a git repository; by default that of the version's tag.

        Raises:
            SourceError: when there is no such version, or it cannot be named.
            NetworkError: when the server cannot be reached.
            HashError: when the bytes are not those that the index has a digest of.
        """
        match source:
            case Sdist():
                file = self.project(name).sdists(version)[0]
                known = file.digests.get("sha256", "").lower()
                accepted = {Digest(known)} if known else None
                if known and self._cache.find(Digest(known)):
                    return Sdist(version=version, sha256=Digest(known))
                self._network.check_link(file.url)
                return Sdist(version=version, sha256=self._store(file.url, file.filename, accepted)[1])
            case Archive():
                url = source.url.replace(source.version, version)
                if url == source.url and version != source.version:
                    what = f"the url of the archive does not say how to find {version}"
                    raise SourceError(what, where=shown(url), why=f"{source.version} is not in it")
                return Archive(version=version, url=url, sha256=self._store_archive(url, None)[1])
            case GitCommit():
                found = commit or self._checkout.tagged(source.url, name, version)
                return replace(source, version=version, commit=found)
        raise SourceError(f"{name} is taken over as a public wheel, and has no source here")

    def tagged_versions(self, name: Name, source: GitCommit) -> set[Version]:
        """The versions that a repository has tags for, which are called as most projects do.

        Raises:
            NetworkError: when the repository cannot be reached.
            ProcessError: when git is missing.
        """
        return self._checkout.versions(source.url, name)

    def wheel(self, requirement: LockedRequirement, target: Target, glibc: tuple[int, int]) -> PinnedWheel:
        """The best wheel for a target among those that a lock allows.

        The builder's glibc counts for manylinux targets.

        Raises:
            NetworkError: when it is not in the cache and the server cannot be reached.
            SourceError: when the index has no wheel of this version for the target.
            HashError: when its wheels, or the bytes that arrive, are none of the locked ones.
            ArchiveError: when it unpacks to more than the limit.
        """
        question = wheel_question(requirement, target, glibc)
        answer = self._cache.recall(question)
        if answer is None or answer[1] not in requirement.hashes:
            project = self.project(requirement.name)
            file = project.wheel(requirement.version, requirement.hashes, target, glibc)
            answer = self._download(file, requirement.hashes)
            self._cache.remember(question, answer[1])
        return self._pinned(requirement.name, requirement.version, *answer)

    def published(self, name: Name, version: str, target: Target, glibc: tuple[int, int]) -> PinnedWheel:
        """The wheel that the index has for a target, to compare with; not for builds.

        Raises:
            NetworkError, SourceError, HashError: as `wheel`; also when the index gives no digest.
        """
        project = self.project(name)
        digests = {Digest(text) for file in project.files if (text := file.digests.get("sha256", "").lower())}
        file = project.wheel(version, digests, target, glibc)
        digest = Digest(file.digests.get("sha256", "").lower())
        if not digest:
            raise SourceError(f"the index gives no digest for {file.filename}", where=shown(file.url))
        return self._pinned(name, version, *self._download(file, {digest}))

    def file(self, name: Name, filename: str, digest: Digest) -> Path:
        """The file of a project with this name and digest, whatever system it is for.

        Raises:
            NetworkError, SourceError, HashError: as `wheel`.
        """
        if cached := self._cache.find(digest):
            return cached
        return self._download(self.project(name).file(filename, digest), {digest})[0]

    def _pinned(self, name: Name, version: str, path: Path, digest: Digest) -> PinnedWheel:
        check_size(path, self.limits)
        return PinnedWheel(name=name, version=version, path=path, sha256=digest)

    @property
    def _cache(self) -> Cache:
        return Cache(self.cache)

    @property
    def _checkout(self) -> Checkout:
        return Checkout(cache=self._cache, offline=self.offline, environ=self.environ, mirrors=self.mirrors)

    @property
    def _network(self) -> HttpClient:
        # It is slow to import, and not needed when the cache has everything.
        from wheelfarm.sources.network import HttpClient  # noqa: PLC0415

        index_url = index_or_default(self.index_url)
        return HttpClient(index_url=index_url, offline=self.offline, timeout=self.timeout, limits=self.limits)

    def _archive(self, name: Name, source: Sdist | Archive | PublicWheel) -> Path:
        if cached := self._cache.find(source.sha256):
            return cached
        if isinstance(source, Sdist | PublicWheel):
            project = self.project(name)
            choose = project.sdist if isinstance(source, Sdist) else project.pure_wheel
            file = choose(source.version, source.sha256)
            return self._download(file, {source.sha256})[0]
        return self._store_archive(source.url, {source.sha256})[0]

    def _download(self, file: DistributionPackage, accepted: Collection[Digest]) -> tuple[Path, Digest]:
        if file.is_yanked:
            # PEP 592: an exact pin may use it.
            logger.info("%s is yanked: %s", file.filename, file.yanked_reason or "no reason given")
        for digest in accepted:
            if file.digests.get("sha256", "").lower() == digest and (cached := self._cache.find(digest)):
                return cached, digest
        self._network.check_link(file.url)
        return self._store(file.url, file.filename, accepted)

    def _store_archive(self, url: str, accepted: Collection[Digest] | None) -> tuple[Path, Digest]:
        filename = unquote(PurePosixPath(urlsplit(url).path).name)
        return self._store(mirrored(url, self.mirrors), filename, accepted)

    def _store(self, url: str, filename: str, accepted: Collection[Digest] | None) -> tuple[Path, Digest]:
        logger.info("fetching %s", filename)
        return self._network.download(
            url,
            lambda chunks: self._cache.store(chunks, filename, accepted=accepted, origin=shown(url)),
        )

    def _commit(self, name: Name, source: GitCommit) -> tuple[Path, Digest]:
        question = commit_question(name, source)
        if (answer := self._cache.recall(question)) is None:
            answer = self._checkout.tar(source, f"{name}-{source.version}")
            self._cache.remember(question, answer[1])
        return answer
