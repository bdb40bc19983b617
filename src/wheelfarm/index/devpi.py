"""devpi: wheels go to a staging index first, and release by release from there, each as a whole.

devpi pushes all files of a release from one index to another in one transaction of its own
(devpi's documentation, "devpi push"). An upload to the index itself would show a release in parts.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from wheelfarm.errors import NetworkError, PublishError, RefusedError
from wheelfarm.index.build_tags import short_key
from wheelfarm.index.upload import UploadIndex
from wheelfarm.model import sha256_of_bytes
from wheelfarm.sources.network import MISSING, RETRIED
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from wheelfarm.index.candidates import Candidate
    from wheelfarm.index.client import IndexClient
    from wheelfarm.index.protocol import Listing
    from wheelfarm.model import Name

logger = get_logger(__name__)

SIMPLE: Final = "+simple"
_HEADER: Final = "X-Devpi-Server-Version"
_DENIED: Final = (401, 403, 404)
_CONFLICT: Final = 409


def is_devpi(client: IndexClient) -> bool:
    """Whether the server is a devpi, which sets a header in all responses.

    Raises:
        PublishError: when the server has trouble: an upload without staging would show a release in parts.
    """
    headers = {"Accept": "application/json"}
    answer = client.consume(client.index_url, client.read_whole, headers=headers, allow_redirects=False)
    if _HEADER not in answer.headers and answer.status_code in RETRIED:
        client.check(answer, client.index_url)
    return _HEADER in answer.headers


@dataclass(frozen=True, kw_only=True)
class DevpiIndex(UploadIndex):
    """An index of a devpi server; its url ends in `<user>/<index>/`."""

    def list_files(self, projects: Collection[Name], keys: Collection[str] = ()) -> Listing:
        # devpi's pages show the files of its bases too.
        own = urlsplit(urljoin(self.url, "+")).path
        return {
            project: tuple(file for file in files if urlsplit(file.url).path.startswith(own))
            for project, files in super().list_files(projects, keys).items()
        }

    def upload(self, wheels: Sequence[Candidate]) -> None:
        staging = self._make_staging(wheels)
        if staging is None:
            super().upload(wheels)
            return
        UploadIndex.upload(staging, wheels)
        try:
            self._check(staging, wheels)
            for project, version in dict.fromkeys((wheel.project, wheel.version) for wheel in wheels):
                logger.info("pushing %s %s from %s to %s", project, version, staging.name, self._path)
                self._push(staging, project, version)
        finally:
            # Pushed or not: the next try begins with an empty one.
            with suppress(NetworkError, PublishError):
                self.client.call("DELETE", staging.url.rstrip("/"))

    @property
    def _path(self) -> str:
        """The index as devpi names it: user/index."""
        return "/".join(urlsplit(self.url).path.strip("/").split("/")[-2:])

    def _make_staging(self, wheels: Sequence[Candidate]) -> DevpiIndex | None:
        """Make the staging index of these wheels, the same one after a kill; None without the permission."""
        # devpi answers 404 to those who may not push; a user may make indexes of their own only.
        user = self.client.credentials[0] if self.client.credentials else self._path.partition("/")[0]
        listed = "".join(sorted(f"{wheel.filename} {wheel.sha256}\n" for wheel in wheels))
        digest = sha256_of_bytes(listed.encode())[:12]
        path = f"{user}/{self._path.rpartition('/')[2]}-staging-{digest}"
        url = f"{self.url.removesuffix(f'{self._path}/')}{path}/"
        try:
            self.client.call("PUT", url.rstrip("/"), json={"type": "stage", "bases": [], "volatile": True})
        except RefusedError as error:
            if error.status in _DENIED:
                logger.info(
                    "no staging: %s may not make the index %s (%s)", user or "nobody", path, error.why
                )
                return None
            if error.status != _CONFLICT:  # a killed run has left it
                raise
        return replace(self, name=path, client=replace(self.client, index_url=url), simple=SIMPLE)

    def _check(self, staging: DevpiIndex, wheels: Sequence[Candidate]) -> None:
        """Raise unless the staging index lists all wheels: only then they are pushed."""
        listing = staging.list_files(
            {wheel.project for wheel in wheels}, {short_key(wheel.file.key) for wheel in wheels}
        )
        listed = {(file.filename, file.sha256) for files in listing.values() for file in files}
        missing = [wheel.filename for wheel in wheels if (wheel.filename, wheel.sha256) not in listed]
        if missing:
            raise PublishError(
                "the staging index does not list what was uploaded to it",
                where=staging.url,
                why=f"missing or with other bytes: {', '.join(missing[:5])}",
                hint="nothing was published; look at the server's log",
            )

    def _push(self, staging: DevpiIndex, project: Name, version: str) -> None:
        body = {"name": project, "version": version, "targetindex": self._path}
        # A conflict: pushed before, by us, when the answer was lost, or by another publisher. The next
        # comparison shows whether the bytes are the same.
        self._call_accepting({_CONFLICT}, "POST", staging.url, body)

    def remove(self, project: Name, filenames: Collection[str]) -> None:
        """Remove files, which devpi allows on volatile indexes, and elsewhere to some users."""
        for file in self.list_files([project])[project]:
            if file.filename in filenames:
                # Missing: removed before, when the answer was lost.
                self._call_accepting(MISSING, "DELETE", file.url)

    def _call_accepting(
        self, accepted: Collection[int], method: str, url: str, body: dict[str, str] | None = None
    ) -> None:
        """Send a request; some statuses that refuse it are no error."""
        try:
            self.client.call(method, url, json=body)
        except RefusedError as error:
            if error.status not in accepted:
                raise
