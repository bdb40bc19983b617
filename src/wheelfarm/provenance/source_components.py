"""Components whose source a build has compiled into the wheel's own binaries, as far as that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wheelfarm.provenance.sbom_components import hashes, purl
from wheelfarm.system.toml import parse_toml
from wheelfarm.wheels.contents import Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import RepairedWheel
    from wheelfarm.wheels.archive import Wheel

_RUST: Final = frozenset({"maturin", "setuptools-rust"})
"""Build requirements that run cargo."""
_LOCKS: Final = ("Cargo.lock", "*/Cargo.lock", "*/*/Cargo.lock")


def source_components(
    directory: BuildDirectory, repaired: RepairedWheel, wheel: Wheel, subprojects: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """The components of a wheel with binaries: subprojects of Meson, and crates that Cargo.lock pins.

    Cargo.lock also pins what only tests and other platforms need.

    Args:
        directory: of the build.
        repaired: the wheel, with its build environment.
        wheel: the same wheel, opened.
        subprojects: those that Meson has configured, each with its version, which may be empty.
    """
    if not any(kind_of(member.name) in {Kind.EXTENSION, Kind.LIBRARY} for member in wheel.members):
        return
    for name, version in sorted(subprojects.items()):
        yield {
            "type": "library",
            "bom-ref": f"meson:{name}",
            "name": name,
            **({"version": version} if version else {}),
            "scope": "required",
            "properties": _evidence("subproject of Meson"),
        }
    if _RUST & {str(each.name) for each in repaired.environment}:
        yield from _crates(directory.tree.project)


def _crates(project: Path) -> Iterator[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for lock in sorted(path for pattern in _LOCKS for path in project.glob(pattern)):
        try:
            packages = parse_toml(lock.read_text(encoding="utf-8")).get("package", [])
            crates = [
                (each["name"], each["version"], each.get("checksum")) for each in packages if "source" in each
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            # Not cargo's: a sample of a test, perhaps.
            continue
        for name, version, checksum in crates:
            ref = purl("cargo", name, version=version)
            found[ref] = {
                "type": "library",
                "bom-ref": ref,
                "name": name,
                "version": version,
                "scope": "required",
                **({"hashes": hashes(checksum)} if checksum else {}),
                "purl": ref,
                "properties": _evidence("Cargo.lock"),
            }
    yield from (found[ref] for ref in sorted(found))


def _evidence(text: str) -> list[dict[str, str]]:
    return [{"name": "wheelfarm:evidence", "value": text}]
