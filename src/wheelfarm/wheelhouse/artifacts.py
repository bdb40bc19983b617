"""Parts: what one machine has made, on its way to another; with a list of every file's digest."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import HashError, UsageError, WheelhouseError
from wheelfarm.model import Digest, parse_digest
from wheelfarm.system.files import explain_os_errors, sha256_of_file, write_atomically
from wheelfarm.wheelhouse.layout import Layout
from wheelfarm.wheelhouse.metadata import Described

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.model import StoredWheel
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

LIST: Final = "part.json"
_HINT: Final = "run the job that made it again"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A part as it lies in a directory."""

    directory: Path
    slug: str
    """What it is of."""
    sha256: Digest
    """The digest of its list, and so of all of it."""
    files: Mapping[str, Digest]
    """Path with slashes → digest."""


def export_artifact(
    wheelhouse: Wheelhouse, variant: str, keys: Sequence[Digest], directory: Path, slug: str
) -> Artifact:
    """Copy wheels and their records out of a wheelhouse.

    Args:
        wheelhouse: the wheelhouse.
        variant: the variant that the wheels belong to.
        keys: their rebuild keys.
        directory: is made anew.
        slug: what the part is of.

    Raises:
        WheelhouseError: when a wheel or record is missing or damaged, or the place cannot be written.
    """
    store, copy = Layout(root=wheelhouse.root, variant=variant), Layout(root=directory, variant=variant)
    with explain_os_errors(directory):
        shutil.rmtree(directory, ignore_errors=True)
        files: dict[str, Digest] = {}
        for key in sorted(keys):
            record = Described.read(wheelhouse.record(variant, key), str(store.record(key)))
            for source, place in (
                (store.record(key), copy.record(key)),
                (store.wheel(record.sha256, record.filename), copy.wheel(record.sha256, record.filename)),
            ):
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, place)
                files[place.relative_to(directory).as_posix()] = sha256_of_file(place)
    text = json.dumps({"part": slug, "files": files}, sort_keys=True, indent=1) + "\n"
    write_atomically(directory / LIST, text.encode())
    return read_artifact(directory)


def find_artifacts(place: Path) -> Iterator[Artifact]:
    """The parts below a directory, which need not be there.

    Raises:
        WheelhouseError: for a list that is none.
    """
    for path in sorted(place.rglob(LIST)):
        yield read_artifact(path.parent)


def read_artifact(directory: Path) -> Artifact:
    """The part in a directory; its files are not looked at yet.

    Raises:
        WheelhouseError: when its list is missing or is none.
    """
    path = directory / LIST
    with explain_os_errors(path):
        text = path.read_bytes()
    try:
        document = json.loads(text)
        files = {str(name): parse_digest(value) for name, value in document["files"].items()}
        slug = str(document["part"])
    except (ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise WheelhouseError(
            "the list of a part is damaged", where=str(path), why=f"{error!r:.120}", hint=_HINT
        ) from error
    return Artifact(directory=directory, slug=slug, sha256=sha256_of_file(path), files=files)


def verify_artifact(part: Artifact, expected: str) -> None:
    """Refuse a part that is not, byte by byte, the one that its job has told the digest of.

    Raises:
        HashError: naming the first file that is missing, changed or not of it.
    """
    if part.sha256 != expected:
        raise HashError(
            f"the part {part.slug} is not the one that its job made",
            where=str(part.directory / LIST),
            why=f"the job has told {expected}, and this list is {part.sha256}",
            hint=_HINT,
        )
    found = {
        path.relative_to(part.directory).as_posix(): path
        for path in part.directory.rglob("*")
        if path.is_file() and path != part.directory / LIST
    }
    for name in sorted(found.keys() | part.files.keys()):
        path, wanted = found.get(name), part.files.get(name)
        actual = None if path is None else sha256_of_file(path)
        if actual != wanted:
            why = f"its sha256 is {actual}, and its list says {wanted}"
            if actual is None or wanted is None:
                why = "it is missing" if actual is None else "its list does not have it"
            raise HashError(
                f"the part {part.slug} was changed on its way",
                where=str(part.directory / name),
                why=why,
                hint=_HINT,
            )


def import_artifact(wheelhouse: Wheelhouse, part: Artifact) -> list[StoredWheel]:
    """Store the wheels of a part that has been checked, with their records.

    Raises:
        WheelhouseError: when a record describes other bytes, or the wheelhouse cannot be written.
    """
    stored = []
    for name in sorted(part.files):
        variant, *rest = name.split("/")
        if len(rest) != 2 or rest[0] != "records":  # noqa: PLR2004 - records/<key>.json
            continue
        layout = Layout(root=part.directory, variant=variant)
        with explain_os_errors(part.directory):
            record = (part.directory / name).read_text(encoding="utf-8")
        described = Described.read(record, name)
        stored.append(
            wheelhouse.store(
                layout.wheel(described.sha256, described.filename),
                sha256=described.sha256,
                variant=variant,
                key=parse_digest(rest[1].removesuffix(".json")),
                record=record,
            )
        )
    return stored
