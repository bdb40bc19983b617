"""Expectations: what the recipe says must be true of the repaired wheel, told from the wheel itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.errors import Collector, ExpectationError
from wheelfarm.gate.contents import check_contents
from wheelfarm.gate.linkage import check_architecture, check_linkage, reads_binaries
from wheelfarm.wheels.subprocess_reader import linkage_apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from wheelfarm.gate.check import Check, Result
    from wheelfarm.plan.build import Build
    from wheelfarm.wheels.wheel import Wheel


def _checks(build: Build, wheel: Wheel, env: Mapping[str, str], scratch: Path) -> Iterator[Check]:
    expect, compiled = build.resolved.expect, bool(build.recipe.table.compilers)
    yield from check_contents(expect, wheel)
    if reads_binaries(expect, compiled=compiled):
        binaries = linkage_apart(wheel, env, scratch)
        yield from check_architecture(wheel, binaries)
        yield from check_linkage(expect, binaries, compiled=compiled)


def check_expectations(
    build: Build, wheel: Wheel, env: Mapping[str, str], scratch: Path
) -> tuple[Result, ...]:
    """Compare a repaired wheel with what its recipe expects.

    Args:
        build: whose wheel it is.
        wheel: the repaired wheel.
        env: for the child that reads its binaries.
        scratch: a directory for the child.

    Raises:
        ExpectationError: a group with every expectation that is not met.
    """
    return judged(build, _checks(build, wheel, env, scratch), wheel=wheel.path.name)


def judged(build: Build, checks: Iterable[Check], *, wheel: str) -> tuple[Result, ...]:
    """The results of checks, when all are as they should be.

    Raises:
        ExpectationError: a group with every one that is not.
    """
    problems = Collector()
    results = []
    for check in checks:
        results.append(check.result)
        if not check.ok:
            key = f"expect.{check.result.check}"
            origin = build.resolved.origins.get(key, build.recipe.where)
            # What is expected of every wheel has no key.
            said = check.result.check.replace("-", "_") in type(build.resolved.expect).model_fields
            problems.add(
                ExpectationError(
                    f"{build.id}: {check.result}",
                    where=f"{origin}: {key}" if said else origin,
                    why=check.cause,
                    hint=f"inv wheel.inspect {wheel} shows what is inside",
                )
            )
    problems.check()
    return tuple(results)
