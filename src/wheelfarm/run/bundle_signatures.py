"""Signatures in a bundle: the attestations of published wheels go along with the stored ones.

The signed statement is about the wheel under its published name. The stored wheel gets that name and its
build tag again, which makes the same bytes.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, RecordError, UnverifiedError, UsageError
from wheelfarm.index.build_tags import BuildSlot, build_tag, short_key
from wheelfarm.index.factory import required_signers
from wheelfarm.provenance.attestation import Attestation, verify_attestation
from wheelfarm.provenance.record import Record, RecordedWheel
from wheelfarm.run.publication import Publication
from wheelfarm.system.files import parse_json, sha256_of_file
from wheelfarm.wheelhouse.layout import name_and_version
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.rewrite import write_tagged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.index.protocol import IndexProtocol
    from wheelfarm.model import Digest
    from wheelfarm.provenance.attestation import RequiredSigners
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.bundle_reader import UnpackedBundle
    from wheelfarm.run.farm import Farm

_DIRECTORY: Final = "attestations"


def attestation_member(key: Digest) -> str:
    """The member of a bundle with the attestation of the wheel with a build key."""
    return f"{_DIRECTORY}/{key}.json"


def bundle_signers(settings: Settings, index: str, signer: str | None = None) -> RequiredSigners:
    """Who must have signed the wheels of a bundle; see `required_signers`.

    Raises:
        UsageError: when the index requires no signature.
        SettingsError: when a public key cannot be used.
    """
    found = required_signers(settings, index, signer)
    if not found.identity and not found.keys:
        raise UsageError(
            f"index {index} names nobody who must have signed",
            where=f"pyproject.toml: tool.wheelfarm.index.{index}",
            hint="set signer-keys; see docs/how-to/sign.md",
        )
    return found


def collect_attestations(farm: Farm, index: str, wheels: Mapping[Digest, Path]) -> dict[str, bytes]:
    """The members of a bundle with the attestations that an index has of stored wheels.

    Args:
        farm: the farm.
        index: the name of the index.
        wheels: the stored wheels by their build keys.

    Raises:
        UnverifiedError: a group of the wheels that are not published there with the required signatures.
    """
    signers, problems, found = bundle_signers(farm.settings, index), Collector(), {}
    published = Publication(farm=farm, index_name=index, variant=farm.settings.variant).index
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=farm.settings.work) as scratch:
        for key, wheel in wheels.items():
            with problems.collect():
                attestation = _find_attestation(published, key, wheel)
                verify_stored_wheel(wheel, key, attestation, signers, Path(scratch))
                found[attestation_member(key)] = json.dumps(asdict(attestation), sort_keys=True).encode()
    problems.check()
    return found


def _find_attestation(index: IndexProtocol, key: Digest, wheel: Path) -> Attestation:
    """The attestation of the published wheel that was made of a stored one.

    Where several builds have its key, it is that whose record names the stored wheel.
    """
    project, version = name_and_version(wheel.name)
    attestations, found = index.attestations(project, version), []
    for file in index.list_files([project])[project]:
        slot = BuildSlot.of(file.filename)
        attestation = attestations.get(file.sha256) if file.sha256 else None
        if attestation is not None and slot is not None and slot.short_key == short_key(key):
            found.append(attestation)
    sha256 = sha256_of_file(wheel)
    found.sort(key=lambda each: Record.from_json(each.record, wheel.name).wheel.unnumbered != sha256)
    if found:
        return found[0]
    raise UnverifiedError(
        f"index {index.name} has no attestation of {wheel.name}",
        where=f"index {index.name}",
        why="a wheel gets its attestation when it is published to a static index",
        hint=f"inv index.publish {project}=={version} --index {index.name}",
    )


def verify_signatures(bundle: UnpackedBundle, signers: RequiredSigners) -> dict[Digest, str]:
    """Verify the signature of each wheel in a bundle.

    Returns:
        The records to store, by build key: those that are signed, and not those beside the wheels.

    Raises:
        UnverifiedError: a group of the wheels without a required signature.
    """
    problems, records = Collector(), {}
    with tempfile.TemporaryDirectory(prefix="signed-", dir=bundle.directory) as scratch:
        for each in bundle.manifest.wheels:
            with problems.collect():
                wheel = bundle.files[each.wheel]
                attestation = _read_attestation(bundle, each.key, wheel.name)
                record = verify_stored_wheel(wheel, each.key, attestation, signers, Path(scratch))
                records[each.key] = record.to_json()
    problems.check()
    return records


def _read_attestation(bundle: UnpackedBundle, key: Digest, name: str) -> Attestation:
    path = bundle.files.get(attestation_member(key))
    if path is None:
        raise UnverifiedError(
            f"the bundle has no attestation of {name}",
            where=str(bundle.path),
            hint="inv index.bundle --index NAME takes those of an index along",
        )
    try:
        found = parse_json(path.read_bytes())
        texts = {str(name): str(text) for name, text in found.items()}
        return Attestation(**texts)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UnverifiedError(
            f"the attestation of {name} in the bundle cannot be read",
            where=str(bundle.path),
            why=f"{type(error).__name__}: {error!s:.200}",
            hint="make the bundle again",
        ) from error


def verify_stored_wheel(
    wheel: Path, key: Digest, attestation: Attestation, signers: RequiredSigners, directory: Path
) -> Record:
    """Verify a stored wheel by the attestation of the published one.

    Args:
        wheel: the stored wheel.
        key: its build key.
        attestation: that of the published wheel.
        signers: who must have signed it.
        directory: where the wheel is written under its published name.

    Returns:
        The signed record, for the stored wheel.

    Raises:
        UnverifiedError: when a required signature is missing, or is not about this wheel.
        WheelError: when the wheel is damaged.
    """
    signers.check(wheel, attestation)
    try:
        slot = BuildSlot.of(Record.from_json(attestation.record, wheel.name).wheel.filename)
    except RecordError as error:
        what = f"the attested record of {wheel.name} cannot be read"
        raise UnverifiedError(what, where=wheel.name, why=error.why, hint="make the bundle again") from error
    # The key is that of the bundle: nothing of the record names a file before it is verified.
    published = write_tagged(open_wheel(wheel), directory, build_tag(slot.number if slot else 0, key)).path
    try:
        record = verify_attestation(published, sha256_of_file(published), attestation)
    finally:
        published.unlink()
    stored = RecordedWheel(
        filename=wheel.name,
        sha256=sha256_of_file(wheel),
        size=wheel.stat().st_size,
        built_sha256=record.wheel.built_sha256,
    )
    if (record.key, record.wheel.unnumbered) != (key, stored.sha256):
        raise UnverifiedError(
            f"the signed record is not one of {wheel.name}",
            where=wheel.name,
            why=f"it is one of the build key {record.key} and of sha256 {record.wheel.unnumbered}",
            hint="make the bundle again",
        )
    return record.model_copy(update={"wheel": stored})
