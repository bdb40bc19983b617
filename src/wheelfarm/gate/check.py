"""One check of the gate: the expected value, the found one, and the likely cause of a difference."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, ExpectationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wheelfarm.plan.build import Build

_LISTED: Final = 5


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was expected and what was found."""

    check: str
    expected: str
    found: str
    environment: str = ""
    """The clean environment of a test: its Python and, for a downstream wheel, the wheel."""

    @property
    def name(self) -> str:
        return f"{self.check} ({self.environment})" if self.environment else self.check

    def __str__(self) -> str:
        return f"{self.name}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, kw_only=True)
class Check:
    """A result, and whether it is the expected one."""

    result: Result
    ok: bool
    cause: str = ""
    """Where a difference shows, and what in the recipe most likely caused it."""
    hint: str = ""
    """What to do next; by default, to look at the wheel."""

    @classmethod
    def of(cls, check: str, *, expected: str, found: str, ok: bool, cause: str = "", hint: str = "") -> Check:
        """One with the name of its key below `expect`."""
        return cls(result=Result(check=check, expected=expected, found=found), ok=ok, cause=cause, hint=hint)


def require(build: Build, checks: Iterable[Check], *, wheel: str) -> tuple[Result, ...]:
    """The results of checks; an ExpectationError, or a group of them, for those that are not OK."""
    problems, results = Collector(), list[Result]()
    for check in checks:
        results.append(check.result)
        if check.ok:
            continue
        key = f"expect.{check.result.check}"
        origin = build.resolved.origins.get(key, build.recipe.where)
        # A check that every wheel has to pass has no key.
        field = check.result.check.partition(".")[0].replace("-", "_")
        has_key = field in type(build.resolved.expect).model_fields
        problems.add(
            ExpectationError(
                f"{build.id}: {check.result}",
                where=f"{origin}: {key}" if has_key else origin,
                why=check.cause,
                hint=check.hint or f"inv wheel.inspect {wheel} shows what is inside",
            )
        )
    problems.check()
    return tuple(results)


def listed(names: Iterable[str], none: str = "none") -> str:
    """Join the first few names, with the number of the others."""
    every = list(names)
    more = f" and {len(every) - _LISTED} more" if len(every) > _LISTED else ""
    return ", ".join(every[:_LISTED]) + more if every else none


def matches(name: str, globs: Sequence[str]) -> bool:
    """Whether one of the globs matches a name; `*` matches `/` too."""
    return any(fnmatchcase(name, glob) for glob in globs)
