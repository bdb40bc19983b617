"""Reuse of published wheels: all wheels of a build, fetched and verified, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.errors import CancelledRunError, FarmError, UnverifiedError
from wheelfarm.run.decision import built_on_others
from wheelfarm.run.published import fetch_published
from wheelfarm.run.recording import regated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wheelfarm.build.engine import ProgressListener
    from wheelfarm.gate.check import Result
    from wheelfarm.model import Name, RepairedWheel
    from wheelfarm.plan.build import Build
    from wheelfarm.provenance.record import Record
    from wheelfarm.run.published import PublishedBuild, PublishedWheel
    from wheelfarm.run.services import BuildServices, Timings

    Gate = Callable[[Mapping[Name, RepairedWheel]], Mapping[Name, tuple[Result, ...]]]


def reuse_build(
    services: BuildServices,
    build: Build,
    found: PublishedBuild,
    directory: Path,
    *,
    gate: Gate,
    listener: ProgressListener,
    timings: Timings,
) -> dict[Name, tuple[RepairedWheel, Record]] | None:
    """Fetch and verify the published wheels of a build; nothing is stored.

    Where the gate has changed since they were published, they pass it again.

    Args:
        services: the run's.
        build: the build.
        found: its wheels in an index.
        directory: where the wheels go; it is made.
        gate: puts the wheels of the build through its gate.
        listener: receives what is fetched, and why the wheels are unusable.
        timings: for the steps.

    Returns:
        The wheels with their records by distribution; None when one is missing or fails verification.
    """
    try:
        with timings.step("fetch"):
            directory.mkdir(parents=True, exist_ok=True)
            fetched = {}
            for each in found.wheels:
                listener.on_line(f"fetching {each.file.filename} from index {found.index.name}")
                wheel, record = fetch_published(build, each, found.index, directory, services.settings)
                _check_record(services, build, each, record)
                fetched[each.distribution] = wheel, record
        if all(record.gate_key == build.gate_key for _, record in fetched.values()):
            return fetched
        results = gate({name: wheel for name, (wheel, _) in fetched.items()})
        return {
            name: (wheel, regated(record, build, results[name])) for name, (wheel, record) in fetched.items()
        }
    except CancelledRunError:
        raise
    except FarmError as error:
        why = "; ".join(line.strip() for line in error.lines())
    except (OSError, ValueError) as error:
        why = str(error)
    listener.on_line(f"warning: {build.id} is built, and not reused from index {found.index.name}: {why}")
    return None


def _check_record(services: BuildServices, build: Build, published: PublishedWheel, record: Record) -> None:
    """Check that a record is one of this build.

    Raises:
        UnverifiedError: naming what differs.
    """
    distribution = published.distribution
    pairs = {
        "key": (record.key, build.key_of(distribution)),
        "key_parts": (dict(record.key_parts), dict(build.key_parts)),
        "distribution": (record.distribution, distribution),
        "version": (record.version, build.version),
        "variant": (record.variant, build.id.variant),
        "target": (record.target, build.id.target),
    }
    differing = [name for name, (recorded, wanted) in pairs.items() if recorded != wanted]
    others = built_on_others(services.wheelhouse, build, record)
    if differing or others:
        raise UnverifiedError(
            f"the record of {published.file.filename} is not one of {build.id}",
            why=others or f"it has another {', '.join(differing)}",
        )
    if services.settings.from_nothing and not record.from_nothing:
        raise UnverifiedError(
            f"{published.file.filename} was built with a compiler cache",
            why="a release is built from nothing",
        )
