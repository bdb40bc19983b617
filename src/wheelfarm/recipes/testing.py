"""What a recipe says of tests: those of the gate, and the upstream suite."""

from __future__ import annotations

from pydantic import Field

from wheelfarm.recipes.texts import (
    FileText,
    Module,
    NameText,
    PlatformName,
    RequirementText,
    VariableName,
)
from wheelfarm.settings.strict import StrictModel


class KnownFailure(StrictModel):
    """A test of the upstream suite that fails here, and why that is no fault of the wheel."""

    test: str = Field(
        min_length=1, description="Its pytest id, of a function for all its parameters; * and ? are wildcards"
    )
    reason: str = Field(pattern=r"\S", description="Why it fails, found by looking")
    platforms: list[PlatformName] | None = Field(default=None, min_length=1)
    variants: list[str] | None = Field(default=None, min_length=1)
    run: bool = Field(default=True, description="false: not even run, since it would crash or hang")


class Suite(StrictModel):
    """The upstream test suite, from the wheel `<name>-tests`; `nox -s test-<name>` runs it."""

    requires: list[RequirementText] = Field(
        default=[], description="What it needs beside pytest and pytest-xdist; locked in suite.lock"
    )
    args: list[str] = Field(default=[], description='Arguments of pytest, such as ["--pyargs", "numpy"]')
    fast: list[str] = Field(default=[], description="Further arguments that select upstream's quick subset")
    environment: dict[VariableName, str] = Field(
        default={},
        description="Variables that the tests see",
        json_schema_extra={"additionalProperties": False},
    )
    time_limit: float = Field(default=7200, gt=0, description="Seconds")
    known_failures: list[KnownFailure] = Field(
        default=[], description="Run as expected failures; one that passes is told"
    )


class Test(StrictModel):
    """What a repaired wheel must pass in a fresh environment."""

    imports: list[Module] | None = Field(default=None, description="Modules that must import")
    smoke: FileText | None = Field(default=None, description="A script that must end with exit code 0")
    time_limit: float | None = Field(default=None, gt=0, description="Seconds")
    downstream: list[NameText] | None = Field(
        default=None,
        description="Recipes whose stored wheels must pass their smoke tests with a new wheel of this one; "
        "by default all that need it to run",
    )
    suite: Suite | None = Field(default=None, description="The upstream test suite")
