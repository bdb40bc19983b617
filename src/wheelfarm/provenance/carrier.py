"""The wheel that carries the papers of others, to servers that take nothing but wheels.

It holds no module. All is in its `.dist-info`, so installing it would do no harm, and nobody asks for it by
name but the farm. One carries the papers of all wheels of a release that were published at the same time;
its build tag has the digest of those, so that publishing the same again makes the same name.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import UsageError, WheelError
from wheelfarm.model import Digest, Name, parse_digest
from wheelfarm.provenance.attestation import Attestation
from wheelfarm.system.files import write_atomically
from wheelfarm.wheels.archive import open_wheel, read_member, verify
from wheelfarm.wheels.record import write_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SUFFIX: Final = "-wheelfarm-papers"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o644 << 16
_UNIX: Final = 3
_PARTS: Final = {"record": "record.json", "statement": "provenance.json", "signature": "provenance.sigstore"}
"""Field of the papers → name of the file."""


def carrier_project(project: Name) -> Name:
    """The distribution that the papers of another one's wheels are published as."""
    return Name(f"{project}{_SUFFIX}")


def write_carrier(project: Name, version: str, papers: Mapping[Digest, Attestation], directory: Path) -> Path:
    """Write the wheel that carries some papers; the same ones make the same bytes.

    Args:
        project: whose wheels they belong to.
        version: of which release.
        papers: by the digest of the wheel.
        directory: where it goes; it is made.

    Raises:
        WheelhouseError: when it cannot be written.
    """
    name = carrier_project(project)
    escaped = name.replace("-", "_")
    of = hashlib.sha256("".join(sorted(papers)).encode()).hexdigest()[:16]
    inside = f"{escaped}-{version}.dist-info"
    members = {
        f"{inside}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        f"Summary: build records and provenance of wheels of {project}; nothing to install\n",
        f"{inside}/WHEEL": "Wheel-Version: 1.0\nGenerator: wheelfarm\nRoot-Is-Purelib: true\n"
        f"Build: 0_{of}\nTag: py3-none-any\n",
        **dict(_members(f"{inside}/papers", papers)),
    }
    path = directory / f"{escaped}-{version}-0_{of}-py3-none-any.whl"
    rows, stream = [], io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for member, text in members.items():
            data = text.encode()
            archive.writestr(_info(member), data)
            rows.append((member, hashlib.sha256(data).hexdigest(), len(data)))
        archive.writestr(_info(f"{inside}/RECORD"), write_record(rows, f"{inside}/RECORD"))
    # Another publisher of the same release may be sending the file of this name.
    write_atomically(path, stream.getvalue(), "the papers")
    return path


def _members(directory: str, papers: Mapping[Digest, Attestation]) -> Iterator[tuple[str, str]]:
    for sha256 in sorted(papers):
        for field, file in _PARTS.items():
            text = getattr(papers[sha256], field)
            if text:
                yield f"{directory}/{sha256}/{file}", text


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, _MODE
    info.create_system = _UNIX  # by default it tells where the file was written
    return info


def read_carrier(path: Path) -> dict[Digest, Attestation]:
    """The papers that a wheel carries, by the digest of the wheel that they belong to.

    Raises:
        WheelError: when it is no sound wheel, or carries none.
    """
    wheel = open_wheel(path)
    verify(wheel)
    found: dict[Digest, dict[str, str]] = {}
    fields = {file: field for field, file in _PARTS.items()}
    with zipfile.ZipFile(path) as archive:
        for member in wheel.members:
            above, _, rest = member.name.partition("/papers/")
            sha256, _, file = rest.partition("/")
            if above != wheel.dist_info or file not in fields:
                continue
            try:
                texts = found.setdefault(parse_digest(sha256), {})
                texts[fields[file]] = read_member(archive, member.name).decode()
            except (UsageError, UnicodeDecodeError) as error:
                raise WheelError("papers cannot be read", where=member.name, why=str(error)) from error
    return {sha256: Attestation(**texts) for sha256, texts in found.items() if "record" in texts}
