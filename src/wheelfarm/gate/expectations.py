"""Expectations: what the recipe says must be true of the repaired wheel, told from the wheel itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wheelfarm.errors import Collector, ExpectationError
from wheelfarm.wheels import Kind, blas_all, kind_of, linkage_apart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wheelfarm.plan import Build
    from wheelfarm.wheels import Wheel


@dataclass(frozen=True, kw_only=True)
class Result:
    """One check of the gate: what was expected and what was found."""

    check: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.check}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, kw_only=True)
class _Check:
    result: Result
    ok: bool
    cause: str = ""


def _tests(wheel: Wheel, *, wanted: bool) -> _Check:
    # A conftest.py alone is configuration of pytest, which some packages install with their code.
    tests = [
        member
        for member in wheel.members
        if kind_of(member.name) is Kind.TESTS and not member.name.endswith("/conftest.py")
    ]
    found = f"{len(tests)} files, {sum(member.size for member in tests):,} bytes" if tests else "none inside"
    names = ", ".join(member.name for member in tests[:3])
    cause = (
        "an install tag, a patch or the source leaves the test suite out"
        if wanted
        else f"{names}: the install tags or the patch that leave the test suite out had no effect"
    )
    expected = "some inside" if wanted else "none inside"
    return _Check(
        result=Result(check="tests", expected=expected, found=found), ok=bool(tests) is wanted, cause=cause
    )


def _checks(build: Build, wheel: Wheel, env: Mapping[str, str], scratch: Path) -> Iterator[_Check]:
    expect = build.resolved.expect
    if expect.tests is not None:
        yield _tests(wheel, wanted=expect.tests)
    if expect.blas is not None or expect.interface is not None:
        found = blas_all(linkage_apart(wheel, env, scratch))
        # Two copies of one provider are a fault too, so that each is named.
        providers = sorted(each.provider.value for each in found) or ["none"]
        interfaces = sorted({each.interface.value for each in found if each.interface})
        evidence = "; ".join(
            f"{each.provider.value} in {', '.join(each.libraries)}: {', '.join(each.symbols)}"
            for each in found
        )
        if expect.blas is not None:
            result = Result(check="blas", expected=expect.blas, found=", ".join(providers))
            cause = f"{evidence or 'no BLAS symbols'}; see setup-args and the variant's provider"
            yield _Check(result=result, ok=providers == [expect.blas], cause=cause)
        if expect.interface is not None:
            result = Result(
                check="interface", expected=expect.interface, found=", ".join(interfaces) or "none"
            )
            yield _Check(result=result, ok=interfaces == [expect.interface], cause=evidence)


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
    problems = Collector()
    checks = tuple(_checks(build, wheel, env, scratch))
    for check in checks:
        if not check.ok:
            key = f"expect.{check.result.check}"
            problems.add(
                ExpectationError(
                    f"{build.id}: {check.result}",
                    where=f"{build.resolved.origins.get(key, build.entry.where)}: {key}",
                    why=check.cause,
                    hint=f"inv inspect {wheel.path.name} shows what is inside",
                )
            )
    problems.check()
    return tuple(check.result for check in checks)
