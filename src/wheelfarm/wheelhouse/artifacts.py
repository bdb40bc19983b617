"""Wheels and records of one CI job as an artifact: a directory with a manifest of every file's digest."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import HashError, UsageError, WheelhouseError
from wheelfarm.model import Digest, parse_digest
from wheelfarm.system.files import explain_os_errors, parse_json, read_text, sha256_of_file, write_atomically
from wheelfarm.wheelhouse.layout import DescribedWheel, Layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.model import StoredWheel
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

MANIFEST: Final = "artifact.json"
_HINT: Final = "run the job that built it again"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """An artifact in a directory."""

    directory: Path
    name: str
    files: Mapping[str, Digest]
    """Path with slashes → sha256."""


def export_artifact(
    wheelhouse: Wheelhouse, variant: str, keys: Sequence[Digest], directory: Path, name: str
) -> Artifact:
    """Copy wheels and their records from a wheelhouse into a new directory.

    Raises:
        WheelhouseError: when a wheel or record is missing or damaged, or the directory cannot be written.
    """
    store, copy = Layout(root=wheelhouse.root, variant=variant), Layout(root=directory, variant=variant)
    files: dict[str, Digest] = {}
    with explain_os_errors(directory):
        shutil.rmtree(directory, ignore_errors=True)
        for key in sorted(keys):
            record = DescribedWheel.read(wheelhouse.record(variant, key), str(store.record(key)))
            for source, target in (
                (store.record(key), copy.record(key)),
                (store.wheel(record.sha256, record.filename), copy.wheel(record.sha256, record.filename)),
            ):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
                files[target.relative_to(directory).as_posix()] = sha256_of_file(target)
    text = json.dumps({"name": name, "files": files}, sort_keys=True, indent=1) + "\n"
    write_atomically(directory / MANIFEST, text.encode())
    return Artifact(directory=directory, name=name, files=files)


def find_artifacts(root: Path) -> Iterator[Artifact]:
    """Read the manifests below a directory, which may be missing.

    Raises:
        WheelhouseError: for a damaged manifest.
    """
    for path in sorted(root.rglob(MANIFEST)):
        try:
            document = parse_json(path.read_bytes())
            files = {str(name): parse_digest(value) for name, value in document["files"].items()}
            yield Artifact(directory=path.parent, name=str(document["name"]), files=files)
        except (ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
            what = "the manifest of an artifact is damaged"
            raise WheelhouseError(what, where=str(path), why=f"{error!r:.120}", hint=_HINT) from error


def verify_artifact(artifact: Artifact) -> None:
    """Compare every file of an artifact with its manifest.

    Raises:
        HashError: naming the first file that is missing, changed or not listed.
    """
    found = {
        path.relative_to(artifact.directory).as_posix(): sha256_of_file(path)
        for path in artifact.directory.rglob("*")
        if path.is_file() and path != artifact.directory / MANIFEST
    }
    for name in sorted(found.keys() | artifact.files.keys()):
        actual, expected = found.get(name), artifact.files.get(name)
        if actual == expected:
            continue
        why = f"its sha256 is {actual}, and the manifest says {expected}"
        if actual is None or expected is None:
            why = "it is missing" if actual is None else "the manifest does not list it"
        raise HashError(
            f"the artifact {artifact.name} changed after its job uploaded it",
            where=str(artifact.directory / name),
            why=why,
            hint=_HINT,
        )


def import_artifact(wheelhouse: Wheelhouse, artifact: Artifact) -> list[StoredWheel]:
    """Verify an artifact, and store its wheels with their records.

    Raises:
        HashError: for a file that differs from the manifest.
        WheelhouseError: when a record describes other bytes, or the wheelhouse cannot be written.
    """
    verify_artifact(artifact)
    stored = []
    for name in sorted(artifact.files):
        variant, kind, *rest = name.split("/")
        if kind != "records":
            continue
        layout = Layout(root=artifact.directory, variant=variant)
        with explain_os_errors(artifact.directory):
            record = read_text(artifact.directory / name, WheelhouseError)
        described = DescribedWheel.read(record, name)
        stored.append(
            wheelhouse.store(
                layout.wheel(described.sha256, described.filename),
                sha256=described.sha256,
                variant=variant,
                key=parse_digest(rest[0].removesuffix(".json")),
                record=record,
            )
        )
    return stored
