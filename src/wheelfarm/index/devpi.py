"""devpi: wheels go to a staging index first, and release by release from there, each as a whole.

devpi pushes all files of a release from one index to another in one transaction of its own
(devpi's documentation, "devpi push").
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from wheelfarm.errors import NetworkError, PublishError, RefusedError
from wheelfarm.index.build_tags import short_key
from wheelfarm.index.client import MISSING
from wheelfarm.index.upload import UploadIndex
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from requests import Response

    from wheelfarm.index.candidates import Candidate
    from wheelfarm.index.protocol import Listing
    from wheelfarm.model import Name

logger = get_logger(__name__)

SIMPLE: Final = "+simple"
_HEADER: Final = "X-Devpi-Server-Version"
_DENIED: Final = (401, 403, 404)
_CONFLICT: Final = 409


def is_devpi(answer: Response) -> bool:
    """Whether a response comes from devpi, which sets a header in all of them."""
    return _HEADER in answer.headers


@dataclass
class DevpiIndex(UploadIndex):
    """An index of a devpi server; its url ends in `<user>/<index>/`."""

    def list_files(self, projects: Collection[Name], keys: Collection[str] = ()) -> Listing:
        """List the files of the index itself; devpi's pages show those of its bases too."""
        own = urlsplit(urljoin(self.url, "+")).path
        return {
            project: tuple(file for file in files if urlsplit(file.url).path.startswith(own))
            for project, files in super().list_files(projects, keys).items()
        }

    def upload(self, wheels: Sequence[Candidate]) -> None:
        """Upload to a staging index, compare, and push release by release."""
        staging = self._make_staging(wheels)
        if staging is None:
            super().upload(wheels)
            return
        self.upload_to(staging.url, wheels)
        with self._removing(staging):
            self._check(staging, wheels)
            for project, version in dict.fromkeys((wheel.project, wheel.version) for wheel in wheels):
                logger.info("pushing %s %s from %s to %s", project, version, staging.name, self._path)
                self._push(staging, project, version)

    def _push(self, staging: DevpiIndex, project: Name, version: str) -> None:
        try:
            self.client.call(
                "POST",
                staging.url,
                json={"name": project, "version": version, "targetindex": self._path},
            )
        except RefusedError as error:
            # Pushed before: by us, when the answer was lost, or by another publisher. The next comparison
            # shows whether the bytes are the same.
            if error.status != _CONFLICT:
                raise

    @property
    def _path(self) -> str:
        """The index as devpi names it: user/index."""
        return "/".join(urlsplit(self.url).path.strip("/").split("/")[-2:])

    def _make_staging(self, wheels: Sequence[Candidate]) -> DevpiIndex | None:
        """Make the staging index of these wheels, the same one after a kill; None without the permission."""
        # devpi answers 404 to those who may not push; a user may make indexes of their own only.
        user = self.credentials.username if self.credentials else self._path.partition("/")[0]
        listed = "".join(sorted(f"{wheel.filename} {wheel.sha256}\n" for wheel in wheels))
        digest = hashlib.sha256(listed.encode()).hexdigest()[:12]
        path = f"{user}/{self._path.rpartition('/')[2]}-staging-{digest}"
        root = self.url.removesuffix(f"{self._path}/")
        url = f"{root}{path}/"
        try:
            self.client.call("PUT", url.rstrip("/"), json={"type": "stage", "bases": [], "volatile": True})
        except RefusedError as error:
            if error.status == _CONFLICT:  # a killed run has left it
                return self._at(path, url)
            if error.status not in _DENIED:
                raise
            logger.info("no staging: %s may not make the index %s (%s)", user or "nobody", path, error.why)
            return None
        return self._at(path, url)

    def _at(self, path: str, url: str) -> DevpiIndex:
        return replace(self, name=path, url=url, simple=SIMPLE)

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

    @contextmanager
    def _removing(self, staging: DevpiIndex) -> Iterator[None]:
        """Remove the staging index at the end, pushed or not: the next try begins with an empty one."""
        try:
            yield
        finally:
            with suppress(NetworkError, PublishError):
                self.client.call("DELETE", staging.url.rstrip("/"))

    def remove(self, project: Name, filenames: Collection[str]) -> None:
        """Remove files, which devpi allows on volatile indexes, and elsewhere to some users."""
        for file in self.list_files([project])[project]:
            if file.filename in filenames:
                try:
                    self.client.call("DELETE", file.url)
                except RefusedError as error:
                    if error.status not in MISSING:  # removed before, when the answer was lost
                        raise
