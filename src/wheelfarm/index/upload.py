"""Indexes that take uploads as the public one does: pypiserver, Artifactory, Nexus, CodeArtifact and more."""

from __future__ import annotations

import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from wheelfarm.errors import FarmError, NetworkError, PublishError, RefusedError, UsageError
from wheelfarm.index import twine
from wheelfarm.index.build_tags import BuildSlot
from wheelfarm.index.candidates import waves
from wheelfarm.index.client import MISSING, Client
from wheelfarm.index.protocol import ListedFile, Listing, UploadFailure
from wheelfarm.model import parse_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pypi_simple import DistributionPackage

    from wheelfarm.index.candidates import Candidate
    from wheelfarm.index.credentials import Credentials
    from wheelfarm.model import Digest, Name
    from wheelfarm.provenance.attestation import Attestation

_READERS: Final = 8
"""Pages that are read at the same time."""
_FEW: Final = 40
"""Up to this many files one twine process uploads, in one group."""
_ENOUGH: Final = 200
"""Files that are worth another twine process, whose start takes as long as uploading dozens of them."""
_SENDERS: Final = 2
_COMMAND: Final = 24_000 if os.name == "nt" else 1_000_000
"""Characters of paths in one command: Windows takes 32,767 in all, Linux 2 MiB with the environment."""


@dataclass
class UploadIndex:
    """An index that takes uploads.

    Args:
        name: its name in the settings.
        url: where it takes uploads of this variant; ends in a slash.
        simple: path of its simple index below the url.
        credentials: of the publisher.
        env: the environment for twine.
        log: the file for twine's output.
    """

    name: str
    url: str
    simple: str
    credentials: Credentials | None
    env: Mapping[str, str]
    log: Path | None

    @cached_property
    def client(self) -> Client:
        """Asks the server."""
        return Client(self.url, self.credentials, self.env.get("TWINE_CERT"))

    def list_files(self, projects: Collection[Name], keys: Collection[str] = ()) -> Listing:
        """See `IndexProtocol.list_files`."""
        with ThreadPoolExecutor(_READERS) as pool:
            pages = list(pool.map(self._page, projects))
            return {
                project: tuple(pool.map(lambda file: self._with_digest(file, keys), files))
                if any(file.sha256 is None for file in files)
                else files
                for project, files in zip(projects, pages, strict=True)
            }

    def _page(self, project: Name) -> tuple[ListedFile, ...]:
        """The files on a project's page; none without such a page."""
        url = f"{self.url}{self.simple.strip('/')}/{project}/"
        # Heavy to import, and only publishing needs it.
        from pypi_simple import ACCEPT_ANY, ProjectPage, UnsupportedRepoVersionError  # noqa: PLC0415

        answer = self.client.get(url, accept=ACCEPT_ANY)
        if answer is None:
            return ()
        try:
            page = ProjectPage.from_response(answer, project)
        except (ValueError, UnsupportedRepoVersionError) as error:
            raise PublishError(
                f"the page of {project} cannot be read",
                where=url,
                why=str(error)[:200],
                hint="is this a simple index? `simple` of the index in pyproject.toml says where it is",
            ) from error
        return tuple(self._listed(page.packages))

    def _listed(self, packages: Sequence[DistributionPackage]) -> Iterator[ListedFile]:
        for package in packages:
            try:
                sha256 = parse_digest(package.digests.get("sha256", ""))
            except UsageError:
                sha256 = None
            yield ListedFile(
                filename=package.filename,
                sha256=sha256,
                url=urlunsplit(urlsplit(package.url)._replace(fragment="")),
                yanked=package.is_yanked,
            )

    def _with_digest(self, file: ListedFile, keys: Collection[str]) -> ListedFile:
        """Compute the sha256 of a file where it is needed: older servers state md5 or nothing."""
        slot = BuildSlot.of(file.filename)
        if file.sha256 is not None or slot is None or slot.short_key not in keys:
            return file
        with tempfile.TemporaryDirectory(prefix="wheelfarm-listed-") as scratch:
            try:
                return replace(file, sha256=self.fetch(file, Path(scratch, "file")))
            except RefusedError as error:
                if error.status not in MISSING:
                    raise
                return file

    def attestations(self, project: Name, version: str) -> Mapping[Digest, Attestation]:
        """None: such an index takes wheels alone."""
        del project, version
        return {}

    def fetch(self, file: ListedFile, path: Path) -> Digest:
        """See `Index.fetch`."""
        return self.client.download(file.url, path)

    def upload(self, wheels: Sequence[Candidate]) -> None:
        """Upload wheels with twine, dependencies before dependents; see `IndexProtocol.upload`."""
        self.upload_to(self.url, wheels)

    def upload_to(self, url: str, wheels: Sequence[Candidate]) -> None:
        """Upload wheels to a url: a few with one process, many with several at a time.

        Raises:
            UploadFailure: for the first failure that will not pass, or else the first one.
        """
        if len(wheels) <= _FEW:
            self._twine(wheels, url, threading.Event())
            return
        for wave in waves(wheels):
            self._upload_wave(wave, url)

    def _upload_wave(self, wave: Sequence[Candidate], url: str) -> None:
        cancelled = threading.Event()
        shares = _shares(wave, min(_SENDERS, -(-len(wave) // _ENOUGH)))
        with ThreadPoolExecutor(len(shares)) as pool:
            running = [pool.submit(self._twine, share, url, cancelled) for share in shares]
            try:
                failures = [each.exception() for each in running]
            except BaseException:
                cancelled.set()
                raise
        found = [each for each in failures if each is not None]
        # First a failure that another try would meet again.
        for failure in sorted(found, key=_is_transient):
            raise failure

    def _twine(self, wheels: Sequence[Candidate], url: str, cancelled: threading.Event) -> None:
        for paths in _groups([wheel.path for wheel in wheels], _COMMAND):
            twine.upload(
                paths,
                url,
                credentials=self.credentials,
                env=self.env,
                log=self.log,
                cancelled=cancelled,
            )

    def yank(self, project: Name, filenames: Collection[str], reason: str | None) -> None:
        """Refused: servers have no common interface for it."""
        del filenames, reason
        raise self._cannot("yank", project)

    def remove(self, project: Name, filenames: Collection[str]) -> None:
        """Refused: servers have no common interface for it."""
        del filenames
        raise self._cannot("remove", project)

    def _cannot(self, verb: str, project: Name) -> PublishError:
        return PublishError(
            f"wheels of {project} cannot be {verb}{'d' if verb.endswith('e') else 'ed'} from here",
            where=f"index {self.name}",
            why="upload servers have no common interface for it",
            hint=f"{verb} them with the server's own tools; the farm can do it in static indexes",
        )


def _shares(wave: Sequence[Candidate], count: int) -> list[list[Candidate]]:
    """A wave divided among some processes."""
    return [list(wave[first::count]) for first in range(count)]


def _groups(paths: Sequence[Path], longest: int) -> Iterator[list[Path]]:
    """Paths in order, in as few groups as command lines of that many characters can have."""
    group: list[Path] = []
    length = 0
    for path in paths:
        taken = len(str(path)) + 3  # a space, and quotes
        if group and length + taken > longest:
            yield group
            group, length = [], 0
        group.append(path)
        length += taken
    yield group


def _is_transient(failure: BaseException) -> bool:
    error = failure.error if isinstance(failure, UploadFailure) else failure
    return (
        isinstance(error, FarmError) and error.retryable and isinstance(error, (NetworkError, PublishError))
    )
