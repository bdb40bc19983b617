"""Indexes that take uploads as the public one does: pypiserver, Artifactory, Nexus, CodeArtifact and more.

twine uploads, as a program: one process for few files, two for many. What went wrong is read from its output.
"""

from __future__ import annotations

import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from wheelfarm.errors import NetworkError, PublishError, RefusedError, UsageError
from wheelfarm.index.build_tags import BuildSlot
from wheelfarm.index.candidates import dependency_waves
from wheelfarm.index.client import refusal
from wheelfarm.index.protocol import ListedFile, Listing, UploadFailure
from wheelfarm.model import parse_digest
from wheelfarm.sources.network import MISSING
from wheelfarm.system.logs import get_logger
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pypi_simple import DistributionPackage

    from wheelfarm.errors import FarmError
    from wheelfarm.index.candidates import Candidate
    from wheelfarm.index.client import IndexClient
    from wheelfarm.model import Digest, Name
    from wheelfarm.provenance.attestation import Attestation
    from wheelfarm.wheelhouse.simple_index import ProjectStatus

logger = get_logger(__name__)

_READERS: Final = 8
"""Pages that are read at the same time."""
_BATCH: Final = 100 if os.name == "nt" else 2000
"""Files in one command: Windows takes 32,767 characters, Linux 2 MiB with the environment."""
_SENDERS: Final = 2
"""twine processes at the same time."""
_MANY: Final = 100
"""Wheels that are worth a second process, which imports twine again."""
_PLAIN: Final = {
    "NO_COLOR": "1",
    # rich breaks lines where it thinks that the terminal ends.
    "COLUMNS": "1000",
    "TERM": "dumb",
    "PYTHONUNBUFFERED": "1",
}
_UPLOADING: Final = re.compile(r"Uploading (\S+\.whl)\s*")
_STATUS: Final = re.compile(r"HTTPError: (\d{3}) .*?(?: from \S+)?\s*\n\s*(.*)")
_TROUBLE: Final = re.compile(
    r"^(?:requests|urllib3)\.exceptions\.(ConnectionError|\w*Timeout\w*|ChunkedEncodingError|ProtocolError"
    r"|SSLError)\b:?\s*(.*)$",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class UploadIndex:
    """An index that takes uploads; the methods are those of `IndexProtocol`.

    Args:
        name: its name in the settings.
        client: for the url that takes uploads of this variant, which ends in a slash.
        simple: path of its simple index below the url.
        env: the environment for twine.
        log: the file for twine's output.
    """

    name: str
    client: IndexClient
    simple: str
    env: Mapping[str, str]
    log: Path | None

    @property
    def url(self) -> str:
        return self.client.index_url

    def list_files(self, projects: Collection[Name], keys: Collection[str] = ()) -> Listing:
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
        from wheelfarm.sources.simple_page import ACCEPT, read_page  # noqa: PLC0415

        answer = self.client.find(url, accept=ACCEPT)
        if answer is None:
            return ()
        kind = answer.headers.get("Content-Type", "text/html")
        try:
            page = read_page(answer.content, kind, url=answer.url, name=project)
        except ValueError as error:
            raise PublishError(
                f"the page of {project} cannot be read",
                where=url,
                why=str(error)[:200],
                hint="is this a simple index? `simple` of the index in pyproject.toml says where it is",
            ) from error
        return tuple(map(listed_file, page))

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
        del project, version
        return {}

    def fetch(self, file: ListedFile, path: Path) -> Digest:
        return self.client.fetch(file.url, path)

    def upload(self, wheels: Sequence[Candidate]) -> None:
        waves = dependency_waves(wheels)
        if max(map(len, waves), default=0) < _MANY:
            self._run_twine([wheel.path for wheel in wheels], Event())
            return
        for wave in waves:
            self._upload_wave([wheel.path for wheel in wave])

    def _upload_wave(self, files: Sequence[Path]) -> None:
        """Upload files of which none needs another, with two processes at the same time."""
        cancelled = Event()
        with ThreadPoolExecutor(_SENDERS) as pool:
            senders = [
                pool.submit(self._run_twine, files[first::_SENDERS], cancelled) for first in range(_SENDERS)
            ]
            try:
                failures = [failure for sender in senders if (failure := sender.exception())]
            except BaseException:  # an interrupt
                cancelled.set()
                raise
        for failure in sorted(failures, key=_retryable):
            raise failure

    def _run_twine(self, files: Sequence[Path], cancelled: Event) -> None:
        for first in range(0, len(files), _BATCH):
            self._run_twine_once(files[first : first + _BATCH], cancelled)

    def _run_twine_once(self, files: Sequence[Path], cancelled: Event) -> None:
        """Upload files in this order, with one process.

        Raises:
            UploadFailure: at the first file that the index does not take.
            ProcessError: when there is no twine.
        """
        sent: list[str] = []

        def on_line(line: str) -> None:
            uploading = _UPLOADING.fullmatch(line)
            if uploading:
                sent.append(uploading[1])
                logger.info("uploading %s", uploading[1])

        # Without user and password twine would ask for them; empty ones mean that there are none.
        username, password = self.client.credentials or ("", "")
        finished = run(
            Command(
                argv=(
                    *("twine", "upload", "--non-interactive", "--disable-progress-bar"),
                    *("--repository-url", self.url, *map(str, files)),
                ),
                # All users of the machine can read a command line.
                env={**self.env, **_PLAIN, "TWINE_USERNAME": username, "TWINE_PASSWORD": password},
                log=self.log,
                secrets=(password,) if password else (),
                cancelled=cancelled,
            ),
            on_line=on_line,
            check=False,
        )
        if finished.returncode:
            raise UploadFailure(_twine_error(finished.output, self.url, self.log), sent[-1] if sent else None)

    def mend_metadata(self, project: Name, metadata: Mapping[str, bytes]) -> None:
        raise PublishError(
            f"index {self.name} has other core metadata than the wheels of {project}",
            where=f"{self.url}: {', '.join(sorted(metadata))}",
            why="installers read the file beside the wheel (PEP 658), which an upload server makes itself",
            hint="let the server make it again with its own tools; the farm can do it in static indexes",
        )

    def write_signature(self, project: Name, filename: str, bundle: str) -> None:
        del project, bundle
        raise PublishError(
            f"{filename} cannot be signed",
            where=f"index {self.name}",
            why="an upload server takes only wheels; static indexes have attestations beside them",
        )

    def statuses(self, projects: Collection[Name]) -> Mapping[Name, ProjectStatus]:
        del projects
        return {}

    def set_status(self, project: Name, status: ProjectStatus) -> None:
        del status
        raise PublishError(
            f"{project} cannot get a status from here",
            where=f"index {self.name}",
            why="upload servers have no common interface for it",
            hint="set it with the server's own tools; the farm can do it in static indexes",
        )

    def yank(self, project: Name, filenames: Collection[str], reason: str | None) -> None:
        del filenames, reason
        raise self._unsupported("yank", "yanked", project)

    def remove(self, project: Name, filenames: Collection[str]) -> None:
        del filenames
        raise self._unsupported("remove", "removed", project)

    def _unsupported(self, verb: str, participle: str, project: Name) -> PublishError:
        return PublishError(
            f"wheels of {project} cannot be {participle} from here",
            where=f"index {self.name}",
            why="upload servers have no common interface for it",
            hint=f"{verb} them with the server's own tools; the farm can do it in static indexes",
        )


def _retryable(failure: BaseException) -> bool:
    """Whether another try may help; a final failure is reported before such a one."""
    return isinstance(failure, UploadFailure) and failure.error.retryable


def listed_file(package: DistributionPackage) -> ListedFile:
    """A file of a simple page as the index lists it."""
    try:
        sha256 = parse_digest(package.digests.get("sha256", ""))
    except UsageError:
        sha256 = None
    metadata: Digest | bool = bool(package.has_metadata)
    with suppress(UsageError):
        metadata = parse_digest((package.metadata_digests or {}).get("sha256", ""))
    return ListedFile(
        filename=package.filename,
        sha256=sha256,
        url=urlunsplit(urlsplit(package.url)._replace(fragment="")),
        size=package.size,
        uploaded=package.upload_time,
        yanked=package.is_yanked,
        metadata=metadata,
    )


def _twine_error(output: str, url: str, log: Path | None) -> FarmError:
    """What twine's output says: a status, trouble on the way, or something else."""
    error: FarmError
    status, trouble = _STATUS.search(output), _TROUBLE.search(output)
    if status:
        error = refusal("the index did not take a wheel", url, int(status[1]), status[2])
    elif trouble:
        error = NetworkError(
            "the connection to the index broke off",
            where=url,
            why=f"{trouble[1]}: {trouble[2][:200]}",
            hint="publish again: it goes on where it stopped",
        )
    else:
        last = [line for line in output.splitlines() if line.strip()][-5:]
        error = PublishError("twine failed", where=url, why=" / ".join(last)[:500] or "it printed nothing")
        error.retryable = False
    error.log = log
    return error
