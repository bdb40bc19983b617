"""Indexes that take uploads as the public one does: pypiserver, Artifactory, Nexus, CodeArtifact and more."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from wheelfarm.errors import FarmError, NetworkError, PublishError, RefusedError, UsageError
from wheelfarm.index import twine
from wheelfarm.index.attest import carriers
from wheelfarm.index.candidates import waves
from wheelfarm.index.client import MISSING, Client
from wheelfarm.index.protocol import ListedFile, Listing, UploadFailure
from wheelfarm.index.status import of_release
from wheelfarm.model import parse_digest
from wheelfarm.provenance.carrier import carrier_project, read_carrier

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from pypi_simple import DistributionPackage

    from wheelfarm.index.attest import Issue
    from wheelfarm.index.candidates import Candidate
    from wheelfarm.index.credentials import Credentials
    from wheelfarm.model import Digest, Name
    from wheelfarm.provenance.attestation import Attestation

_READERS: Final = 8
"""Pages that are asked for at the same time."""
_FEW: Final = 40
"""So many files one twine sends, whatever needs what."""
_ENOUGH: Final = 200
"""Files for which it is worth starting another twine, which takes as long as sending dozens of them."""
_SENDERS: Final = 2
_COMMAND: Final = 24_000 if os.name == "nt" else 1_000_000
"""Characters of paths in one command: Windows takes 32,767 in all, Linux 2 MiB with the environment."""


@dataclass
class UploadIndex:
    """An index that takes uploads.

    Args:
        name: what the settings call it.
        url: where it takes uploads of this variant; with a slash at its end.
        simple: where its simple index is, below the url.
        credentials: who publishes.
        env: the environment in which twine is run.
        log: the file that twine's output goes to.
        say: hears what is going on.
        issue: makes the papers of a stored wheel.
        scratch: where the wheels that carry papers are written.
    """

    name: str
    url: str
    simple: str
    credentials: Credentials | None
    env: Mapping[str, str]
    log: Path | None
    say: Callable[[str], None]
    issue: Issue
    scratch: Path

    @cached_property
    def client(self) -> Client:
        """Asks the server."""
        return Client(self.url, self.credentials, self.say, self.env.get("TWINE_CERT"))

    def look(self, projects: Collection[Name], wanted: Collection[str] = ()) -> Listing:
        """What the index lists now; see `Index.look`."""
        with ThreadPoolExecutor(_READERS) as pool:
            pages = list(pool.map(self._page, projects))
        return self.known(dict(zip(projects, pages, strict=True)), wanted)

    def known(self, listing: Listing, wanted: Collection[str]) -> Listing:
        """The same, with the sha256 of what is compared: only that has to have one."""
        with ThreadPoolExecutor(_READERS) as pool:
            return {
                project: tuple(pool.map(lambda file: self._known(file, wanted), files))
                if any(file.sha256 is None for file in files)
                else files
                for project, files in listing.items()
            }

    def _page(self, project: Name) -> tuple[ListedFile, ...]:
        return self.page_of(project, f"{self.url}{self.simple.strip('/')}/{project}/")

    def page_of(self, project: Name, url: str) -> tuple[ListedFile, ...]:
        """The files that a page lists; none where there is no such page.

        Raises:
            NetworkError: when the index cannot be reached.
            PublishError: when it refuses, or when the page cannot be read.
        """
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

    def _known(self, file: ListedFile, wanted: Collection[str]) -> ListedFile:
        """The file with its sha256, if it needs one: older servers tell md5 or nothing."""
        if file.sha256 is not None or file.filename not in wanted:
            return file
        with tempfile.TemporaryDirectory(prefix="wheelfarm-listed-") as scratch:
            try:
                return replace(file, sha256=self.fetch(file, Path(scratch, "file")))
            except RefusedError as error:
                if error.status not in MISSING:
                    raise
                return file

    def carriers(self, todo: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """Wheels that carry papers, since such a server takes nothing else; see `Index.carriers`."""
        return carriers(todo, self.issue, self.scratch)

    def papers(self, project: Name, version: str) -> Mapping[Digest, Attestation]:
        """See `Index.papers`."""
        found: dict[Digest, Attestation] = {}
        carrier = carrier_project(project)
        listed = {file.filename: file for file in self.look([carrier])[carrier]}
        for filename in of_release(listed, version):
            with tempfile.TemporaryDirectory(prefix="wheelfarm-papers-") as scratch:
                path = Path(scratch, filename)
                self.fetch(listed[filename], path)
                found |= read_carrier(path)
        return found

    def fetch(self, file: ListedFile, path: Path) -> Digest:
        """See `Index.fetch`."""
        return self.client.download(file.url, path)

    def send(self, todo: Sequence[Candidate]) -> None:
        """Upload wheels with twine, dependencies before dependents; see `Index.send`."""
        self.upload(todo, self.url)

    def upload(self, todo: Sequence[Candidate], url: str) -> None:
        """Upload wheels to a url: a few with one process, many with several at a time.

        Raises:
            UploadFailure: for the gravest failure; what does not depend on it has been tried.
        """
        if len(todo) <= _FEW:
            self._twine(todo, url, threading.Event())
            return
        for wave in waves(todo):
            self._send_wave(wave, url)

    def _send_wave(self, wave: Sequence[Candidate], url: str) -> None:
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
        # What will not pass says most.
        for failure in sorted(found, key=_passing):
            raise failure

    def _twine(self, todo: Sequence[Candidate], url: str, cancelled: threading.Event) -> None:
        for paths in _fitting([candidate.path for candidate in todo], _COMMAND):
            twine.upload(
                paths,
                url,
                credentials=self.credentials,
                env=self.env,
                log=self.log,
                say=self.say,
                cancelled=cancelled,
            )

    def yank(self, project: Name, filenames: Collection[str], reason: str | None) -> None:
        """Refused: no server has a common way to yank."""
        del filenames, reason
        raise self._cannot("yank", project)

    def remove(self, project: Name, filenames: Collection[str]) -> None:
        """Refused: what can be removed, and how, is each server's own."""
        del filenames
        raise self._cannot("remove", project)

    def _cannot(self, verb: str, project: Name) -> PublishError:
        return PublishError(
            f"wheels of {project} cannot be {verb}{'d' if verb.endswith('e') else 'ed'} from here",
            where=f"index {self.name}",
            why="what takes uploads has no common way to do that",
            hint=f"{verb} them with the server's own tools; static indexes can do it here",
        )


def _shares(wave: Sequence[Candidate], count: int) -> list[list[Candidate]]:
    """A wave divided among some senders; papers go before their wheels, so one sender gets both."""
    of: defaultdict[Name, list[Candidate]] = defaultdict(list)
    for candidate in wave:
        of[candidate.carrier or candidate.project].append(candidate)
    shares: list[list[Candidate]] = [[] for _ in range(min(count, len(of)))]
    for project in sorted(of, key=lambda project: -len(of[project])):
        min(shares, key=len).extend(of[project])
    return shares


def _fitting(paths: Sequence[Path], longest: int) -> Iterator[list[Path]]:
    """The paths in their order, in as few groups as command lines of that many characters can hold."""
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


def _passing(failure: BaseException) -> bool:
    error = failure.error if isinstance(failure, UploadFailure) else failure
    return (
        isinstance(error, FarmError) and error.retryable and isinstance(error, (NetworkError, PublishError))
    )
