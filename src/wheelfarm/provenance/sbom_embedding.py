"""Putting the bill of materials and the license texts of vendored libraries into a wheel."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from email import message_from_bytes
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import WheelError
from wheelfarm.provenance.sbom import LICENSES, document, merged, serialise
from wheelfarm.provenance.sbom_components import packages
from wheelfarm.provenance.sbom_reading import MEMBER
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel, read_member
from wheelfarm.wheels.rewrite import Changes, rewrite_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.build.environment_report import LibraryProvenance
    from wheelfarm.model import RepairedWheel

_AUDITWHEEL: Final = "sboms/auditwheel.cdx.json"
_LICENSE_FILE: Final = (2, 4)
"""The version of core metadata that brought the field License-File (PEP 639)."""


def embed(
    stage: BuildDirectory,
    repaired: RepairedWheel,
    provenance: LibraryProvenance,
    directory: Path,
    members: Mapping[str, bytes] | None = None,
) -> RepairedWheel:
    """Write the edition of a repaired wheel that carries its bill of materials.

    What auditwheel has written is taken over, and its own document left out: two would count each library
    twice. Documents of others stay as they are (PEP 770 lets a wheel have many).

    Args:
        stage: the build that it comes from.
        repaired: the wheel as the repair tool left it, with what was proved of the build.
        provenance: what the system knew of its vendored libraries.
        directory: where the edition goes; it is made.
        members: further members of `.dist-info`, by name.

    Returns:
        The same with the edition's path and digest.

    Raises:
        WheelError: when the wheel or what auditwheel has written cannot be read.
        OSError: when the edition cannot be written.
    """
    wheel = open_wheel(repaired.path)
    inside, names = wheel.dist_info, {member.name for member in wheel.members}
    theirs = f"{inside}/{_AUDITWHEEL}"
    with zipfile.ZipFile(wheel.path) as archive:
        metadata = read_member(archive, f"{inside}/METADATA")
        tags = read_member(archive, f"{inside}/WHEEL")
        other = _read(read_member(archive, theirs), theirs) if theirs in names else None
    sources = ([stage.provider_wheel] if stage.provider_wheel else []) + list(stage.requirements)
    found = packages(wheel, sources, provenance)
    message = message_from_bytes(metadata)
    bill = document(stage, repaired, wheel, message, packages=found, provenance=provenance)
    texts = {f"{LICENSES}/{name}": text for each in found for name, text in each.texts.items()}
    written = {
        # Packed by us, so that publishing can add a build tag and a farm that reuses the wheel remove it.
        f"{inside}/WHEEL": tags,
        f"{inside}/{MEMBER}": serialise(merged(bill, other) if other else bill),
        **{f"{inside}/licenses/{name}": text.encode() for name, text in texts.items()},
        **{f"{inside}/{name}": content for name, content in (members or {}).items()},
    }
    if texts:
        written[f"{inside}/METADATA"] = with_license_files(metadata, texts)
    dropped = frozenset({theirs} if other else ())
    directory.mkdir(exist_ok=True)
    edition = rewrite_wheel(wheel, directory / wheel.path.name, Changes(dropped=dropped, written=written))
    return replace(repaired, path=edition.path, sha256=sha256_of_file(edition.path))


def _read(data: bytes, where: str) -> Mapping[str, Any]:
    """A document of auditwheel.

    Raises:
        WheelError: when it is not one.
    """
    try:
        found: dict[str, Any] = json.loads(data)
        if found["bomFormat"] == "CycloneDX" and found["metadata"]["component"]["bom-ref"]:
            return found
    except (ValueError, KeyError, TypeError) as problem:
        raise WheelError("what auditwheel tells cannot be read", where=where, why=repr(problem)) from problem
    raise WheelError("what auditwheel tells cannot be read", where=where, why="it is no CycloneDX document")


def with_license_files(metadata: bytes, names: Mapping[str, str]) -> bytes:
    """Core metadata that name these files below `.dist-info/licenses` too (PEP 639).

    Older metadata than 2.4 have no such field, and stay as they are: the files are there, and the bill of
    materials names them. License-Expression stays what the project says of its own code.

    Args:
        metadata: METADATA.
        names: the files by name.
    """
    message = message_from_bytes(metadata)
    version = tuple(
        int(part) for part in str(message.get("Metadata-Version", "0")).split(".") if part.isdigit()
    )
    if version < _LICENSE_FILE:
        return metadata
    end = b"\r\n" if b"\r\n" in metadata.partition(b"\n")[0] + b"\n" else b"\n"
    head, gap, body = metadata.partition(end + end)
    new = set(names) - {str(each) for each in message.get_all("License-File", [])}
    lines = [f"License-File: {name}".encode() for name in sorted(new)]
    return end.join([head.removesuffix(end), *lines]) + (gap + body if gap else end)
