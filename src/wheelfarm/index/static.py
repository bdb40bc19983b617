"""A static index: files that any web server or object store serves, of the same form as the wheelhouse.

Wheels are written first, under the digest of their bytes, and no page lists them yet. The page of the project
makes a release visible. It is written as a whole, `index.json` last, since the farm reads that one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from wheelfarm.errors import ConflictError, PublishError, WheelhouseError
from wheelfarm.index.build_tags import BuildSlot, of_release
from wheelfarm.index.protocol import ListedFile, Listing, closed
from wheelfarm.model import Digest, Name, sha256_of_bytes
from wheelfarm.provenance.attestation import Attestation
from wheelfarm.provenance.signing import make_index_attestation
from wheelfarm.system.files import parse_json
from wheelfarm.system.logs import get_logger
from wheelfarm.wheelhouse.layout import METADATA, read_metadata
from wheelfarm.wheelhouse.simple_index import IndexedFile, ProjectIndex, root_html, root_json

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.index.candidates import Candidate
    from wheelfarm.index.storage import Storage
    from wheelfarm.wheelhouse.simple_index import ProjectStatus


logger = get_logger(__name__)

_FIRST: Final = "simple/index"
_READERS: Final = 16
"""Requests to an object store at the same time."""
_WRITERS: Final = 16
"""Wheels that are written at the same time."""
_STATEMENT: Final = ".provenance.json"
_KEY_SIGNATURE: Final = ".sigstore.json"
_SUFFIXES: Final = (
    ".record.json",
    ".slsa.attestation",
    ".provenance.sigstore",
    _KEY_SIGNATURE,
    _STATEMENT,
)
"""What is beside a wheel: record, signatures by an identity (PEP 740, Sigstore) and by a key, statement.

The statement is written last, since a wheel that has it is not attested again. pypi-attestations reads
`<file>.slsa.attestation`, and cosign calls the bundle of a file `<file>.sigstore.json`.
"""


@dataclass(frozen=True)
class StaticIndex:
    """A static index of one variant; the methods are those of `IndexProtocol`.

    Args:
        name: its name in the settings.
        storage: its files.
        attest: makes the attestation of a wheel, which is written beside it.
    """

    name: str
    storage: Storage
    attest: Callable[[Candidate], Attestation]

    def list_files(self, projects: Collection[Name], keys: Collection[str] = ()) -> Listing:
        """List files; one whose bytes were lost is left out, so that it is written again."""

        def listed(file: IndexedFile) -> ListedFile | None:
            slot = BuildSlot.of(file.filename)
            wanted = slot is not None and slot.short_key in keys
            if wanted and self.storage.size(file.path) != file.size:
                return None
            return ListedFile(
                filename=file.filename,
                sha256=file.sha256,
                url=file.path,
                size=file.size,
                uploaded=datetime.fromisoformat(file.uploaded),
                yanked=file.yanked is not None,
                metadata=file.metadata_sha256,
                metadata_matches=not wanted or self._has_metadata(file),
            )

        with ThreadPoolExecutor(_READERS) as pool:
            return {
                index.project: tuple(filter(None, pool.map(listed, index.offered)))
                for index in list(pool.map(self._project_index, projects))
            }

    def statuses(self, projects: Collection[Name]) -> Mapping[Name, ProjectStatus]:
        with ThreadPoolExecutor(_READERS) as pool:
            return {index.project: index.status for index in pool.map(self._project_index, projects)}

    def set_status(self, project: Name, status: ProjectStatus) -> None:
        self._change(project, lambda index: replace(index, status=status))

    def _has_metadata(self, file: IndexedFile) -> bool:
        """Whether the core metadata beside a wheel are those that the page states (PEP 658)."""
        metadata = self.storage.read(f"{file.path}{METADATA}")
        return metadata is not None and sha256_of_bytes(metadata) == file.metadata_sha256

    def _project_index(self, project: Name) -> ProjectIndex:
        page = self.storage.read(f"simple/{project}/index.json")
        if page is None:
            return ProjectIndex(project=project)
        try:
            return ProjectIndex.from_json(page, project, f"simple/{project}/index.json")
        except WheelhouseError as error:
            raise PublishError(
                f"the page of {project} is not one that a farm has written",
                where=f"index {self.name}",
                why=error.why,
                hint="publish to another place, or remove that page",
            ) from error

    def attestations(self, project: Name, version: str) -> Mapping[Digest, Attestation]:
        files = self._project_index(project).files
        names = of_release([file.filename for file in files], version)
        found = {}
        for file in (each for each in files if each.filename in names):
            texts = [self.storage.read(f"{file.path}{suffix}") for suffix in _SUFFIXES]
            if texts[0] is not None:
                record, _, signature, by_key, made = (
                    (text or b"").decode(errors="replace") for text in texts
                )
                found[file.sha256] = Attestation(
                    record=record, statement=made, signature=signature, key_signature=by_key
                )
        return found

    def fetch(self, file: ListedFile, path: Path) -> Digest:
        content = self.storage.read(file.url)
        if content is None:
            raise PublishError(f"{file.filename} is listed and not there", where=f"index {self.name}")
        path.write_bytes(content)
        return sha256_of_bytes(content)

    def upload(self, wheels: Sequence[Candidate]) -> None:
        """Write wheels, then their attestations and the pages of their projects, dependencies first."""
        # Each thread waits for the disk or the store most of the time.
        with ThreadPoolExecutor(_WRITERS) as pool:
            attestations = dict(zip(wheels, pool.map(self._write_wheel, wheels), strict=True))
            with self.storage.locked() as renew:
                for project in dict.fromkeys(wheel.project for wheel in wheels):
                    renew()
                    own = [wheel for wheel in wheels if wheel.project == project]
                    new = self._unlisted(project, own)
                    # Of several publishers of the same wheels, one writes all attestations of a wheel.
                    list(pool.map(self._write_attestation, new, [attestations[wheel] for wheel in new]))
                    self._list(project, new)

    def _unlisted(self, project: Name, wheels: Sequence[Candidate]) -> list[Candidate]:
        """The wheels that are not listed yet, or have lost their attestation.

        Raises:
            ConflictError: when another publisher listed other bytes under the name of one of them.
            PublishError: when the project got a status meanwhile with which it takes no wheels.
        """
        index = self._project_index(project)
        if not index.status.takes_wheels:
            raise closed(project, self.name, index.status)
        known = {file.filename: file.sha256 for file in index.files}
        for wheel in wheels:
            if known.get(wheel.filename, wheel.sha256) != wheel.sha256:
                raise ConflictError(
                    f"{wheel.filename} is published with other bytes",
                    where=f"index {self.name}",
                    why="another publisher was faster",
                    hint="publish again to see what differs",
                )
        return [
            wheel
            for wheel in wheels
            if wheel.filename not in known or self.storage.size(f"{wheel.file.path}{_STATEMENT}") is None
        ]

    def _write_wheel(self, wheel: Candidate) -> Attestation:
        """Write a wheel, which no page lists yet, and make its attestation."""
        file = wheel.file
        logger.info("writing %s", wheel.filename)
        metadata, attestation = read_metadata(wheel.path), self.attest(wheel)
        if self.storage.size(file.path) != file.size:
            self.storage.put(wheel.path, file.path, file.sha256)
        if self.storage.read(f"{file.path}{METADATA}") != metadata:
            self.storage.write(f"{file.path}{METADATA}", metadata)
        return attestation

    def _write_attestation(self, wheel: Candidate, attestation: Attestation) -> None:
        signature = attestation.signature
        pep740 = make_index_attestation(signature) if signature else ""
        texts = (attestation.record, pep740, signature, attestation.key_signature, attestation.statement)
        for suffix, text in zip(_SUFFIXES, texts, strict=True):
            if text:
                self.storage.write(f"{wheel.file.path}{suffix}", text.encode())

    def _list(self, project: Name, wheels: Sequence[Candidate]) -> None:
        before = after = self._project_index(project)
        uploaded = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        known = {file.filename for file in before.files}
        for candidate in wheels:
            if candidate.filename not in known:
                after = after.adding(replace(candidate.file, uploaded=uploaded))
        if after != before:
            self._write(after, new=not known)

    def _write(self, index: ProjectIndex, *, new: bool) -> None:
        """Write a project's pages; the first page names it before it has files, so later ones need not."""
        page = f"simple/{index.project}/index"
        self.storage.write(f"{page}.html", index.to_html())
        if new:
            self._name_project(index.project)
        self.storage.write(f"{page}.json", index.to_json())

    def _name_project(self, project: Name) -> None:
        """Name a new project on the first page, which is its own list of projects."""
        page = self.storage.read(f"{_FIRST}.json")
        try:
            listed = parse_json(page)["projects"] if page is not None else []
            known = {Name(canonicalize_name(each["name"])) for each in listed}
        except (ValueError, KeyError, TypeError) as error:
            raise PublishError(
                "the first page of the index is not one that a farm has written",
                where=f"index {self.name}: {_FIRST}.json",
                why=f"{error!r:.120}",
                hint="publish to another place, or remove that page",
            ) from error
        if project not in known:
            names = sorted({*known, project})
            self.storage.write(f"{_FIRST}.html", root_html(names))
            self.storage.write(f"{_FIRST}.json", root_json(names))

    def mend_metadata(self, project: Name, metadata: Mapping[str, bytes]) -> None:
        """Write the core metadata beside wheels again, then the pages with their digests."""
        with self.storage.locked() as renew:
            renew()
            index = self._project_index(project)
            for file in (each for each in index.files if each.filename in metadata):
                data = metadata[file.filename]
                self.storage.write(f"{file.path}{METADATA}", data)
                index = index.adding(replace(file, metadata_sha256=sha256_of_bytes(data)))
            self._write(index, new=False)

    def write_signature(self, project: Name, filename: str, bundle: str) -> None:
        with self.storage.locked() as renew:
            renew()
            for file in (each for each in self._project_index(project).files if each.filename == filename):
                self.storage.write(f"{file.path}{_KEY_SIGNATURE}", bundle.encode())

    def yank(self, project: Name, filenames: Collection[str], reason: str | None) -> None:
        self._change(project, lambda index: index.yanking(lambda file: file.filename in filenames, reason))

    def remove(self, project: Name, filenames: Collection[str]) -> None:
        """Remove files: from the pages first, then themselves."""
        gone = [file for file in self._project_index(project).files if file.filename in filenames]
        self._change(project, lambda index: index.without(lambda file: file.filename in filenames))
        paths = {file.path for file in self._project_index(project).files}
        for file in gone:
            for suffix in () if file.path in paths else (METADATA, *_SUFFIXES, ""):
                self.storage.remove(f"{file.path}{suffix}")

    def _change(self, project: Name, change: Callable[[ProjectIndex], ProjectIndex]) -> None:
        with self.storage.locked() as renew:
            renew()
            before = self._project_index(project)
            after = change(before)
            if after != before:
                self._write(after, new=False)
