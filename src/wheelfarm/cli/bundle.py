"""index.bundle, .load: packages for a machine without a network."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.cli.task import PLANNING, task
from wheelfarm.errors import UsageError, counted
from wheelfarm.model import is_digest, parse_digest
from wheelfarm.recipes.index_table import WHEELHOUSE
from wheelfarm.report.text import size
from wheelfarm.run.bundle import (
    ENVIRONMENT,
    INPUTS,
    Bundle,
    Manifest,
    collect_bundle,
    fetch_environment,
    write_bundle,
)
from wheelfarm.run.bundle_reader import unpacked_bundle
from wheelfarm.run.bundle_signatures import bundle_signers, verify_signatures
from wheelfarm.run.publication import choose_index_name
from wheelfarm.sources.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.cli.task import Invocation
    from wheelfarm.model import Digest
    from wheelfarm.recipes.settings import Settings


_INDEX: Final = (
    f"whose signatures count; that with `signer-keys` by default, or `{WHEELHOUSE}` for wheels without any"
)


def _signing_index(settings: Settings, index: str | None) -> str | None:
    """The index whose signatures count: the one that is named, or the only one with `signer-keys`.

    Raises:
        UsageError: when there are several, or none of that name.
    """
    if index == WHEELHOUSE:
        return None
    if index is not None:
        settings.choose_index(index)
        return index
    names = [name for name, table in settings.indexes.items() if table.signer_keys]
    if len(names) > 1:
        why = f"{', '.join(names)} have signer-keys"
        raise UsageError("name the index whose signatures count", why=why, hint=f"--index {names[0]}")
    return names[0] if names else None


@task(*PLANNING, *("dry_run", "json"), output="the file; wheelfarm.tar by default", index=_INDEX)
def bundle(
    call: Invocation, packages: str, *, output: str = "wheelfarm.tar", index: str | None = None
) -> None:
    """Write one archive with what a machine without a network needs of packages: wheels, sources, locks."""
    names = call.choose(packages)
    plan = call.plan(names)
    farm, path = call.farm, Path(output)
    signed_in = _signing_index(farm.settings, index)
    if not plan.builds:
        raise UsageError("there is nothing to bundle", hint="inv recipe.list shows what there is")
    farm.settings.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=farm.settings.work) as scratch:
        environment = Path(scratch)
        if not call.dry_run:
            fetch_environment(farm.settings, environment)
        found = collect_bundle(farm, plan, environment, signed_in)
        digest = None if call.dry_run else write_bundle(found, path)
        data, lines = _data(found, path, digest), list(_lines(found))
    call.show(data, lines)
    if digest is not None:
        call.screen.say(f"{path}: {size(path.stat().st_size)}, sha256 {digest}")


def _data(found: Bundle, path: Path, digest: Digest | None) -> dict[str, object]:
    return {
        "file": str(path),
        "sha256": digest,
        "bytes": found.size,
        "builds": [each.model_dump() for each in found.manifest.builds],
        "files": dict(found.manifest.files),
    }


def _lines(found: Bundle) -> Iterator[str]:
    manifest = found.manifest
    yield from (each.id for each in manifest.builds)
    yield f"{_count(len(manifest.wheels), *_members(manifest))}, {size(found.size)}"
    yield from _images(manifest)


def _members(manifest: Manifest) -> tuple[int, int]:
    """How many files builds need, and how many the farm itself needs."""
    inputs, environment = (
        sum(name.startswith(f"{directory}/") for name in manifest.files)
        for directory in (INPUTS, ENVIRONMENT)
    )
    return inputs, environment


def _count(wheels: int, inputs: int, environment: int) -> str:
    return (
        f"{counted(wheels, 'wheel')} with records, {counted(inputs, 'file')} that builds need, "
        f"{counted(environment, 'file')} that the farm itself needs"
    )


def _images(manifest: Manifest) -> list[str]:
    images = sorted({each.image for each in manifest.builds if each.image})
    return [f"not in the bundle: the builder image {image}" for image in images]


@task(
    *("dry_run", "json"),
    file="the bundle",
    sha256="what index.bundle has printed; without it a bundle is compared with its own list alone",
    index=_INDEX,
)
def load(
    call: Invocation,
    file: str,
    *,
    sha256: str | None = None,
    index: str | None = None,
    signer: str | None = None,
) -> None:
    """Verify a bundle, and put its wheels, sources and environment where this farm finds them offline."""
    farm, path = call.farm, Path(file)
    if not path.is_file():
        raise UsageError(f"there is no file {file}", hint="inv index.bundle writes one")
    if sha256 is not None and not is_digest(sha256):
        raise UsageError(f"{sha256!r} is no sha256", where="--sha256", hint="inv index.bundle prints it")
    settings = farm.settings
    name = choose_index_name(farm, index) if signer else _signing_index(settings, index)
    signers = bundle_signers(settings, name, signer) if name else None
    with unpacked_bundle(path, settings.work, parse_digest(sha256) if sha256 else None) as found:
        changed, manifest = found.changed_farm_files(settings), found.manifest
        signed = verify_signatures(found, signers) if signers else {}
        if not call.dry_run:
            found.store_wheels(farm.wheelhouse, signed)
            found.fill_cache(Cache(settings.cache))
            found.fill_environment(settings.work / ENVIRONMENT)
    wheels = [PurePosixPath(each.wheel).name for each in manifest.wheels]
    inputs, environment = _members(manifest)
    data = {
        "variant": manifest.variant,
        "wheels": wheels,
        "inputs": inputs,
        "environment": environment,
        "signed": len(signed),
        "changed": changed,
    }
    call.show(data, wheels)
    last = manifest.builds[-1].id.partition(" ")[0]
    after = "only verified" if call.dry_run else f"next: nox -s build-{last} -- --offline"
    call.screen.say(f"{_count(len(wheels), inputs, environment)}; {after}")
    if signers:
        call.screen.say(f"{counted(len(signed), 'wheel')} signed as index {name} requires it")
    call.screen.lines(_images(manifest))
    if changed:
        files = counted(len(changed), "file of this farm differs", "files of this farm differ")
        shown = ", ".join(changed[:3])
        call.screen.say(f"warning: {files} from the bundle's, so build keys may differ too: {shown}")
