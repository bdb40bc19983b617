"""Runs tested code in a clean environment, and reads how it ended: apart from its output, see gate/inside."""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from wheelfarm.build.steps import run_step
from wheelfarm.errors import ProcessError
from wheelfarm.system.endings import describe_ending, likely_cause

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.build.engine import Engine, ProgressListener, Step
    from wheelfarm.system.process import Flag

_INSTALLATION: Final = 600.0
"""Seconds for the installation, before the time limit of the tests begins."""
_LAST_LINES: Final = 20
_LONGEST_LINE: Final = 1000
_NOT_FLUSHED: Final = 120
"""Python's exit code where its standard output was closed (`sys.exit`)."""


class DriverResult(BaseModel):
    """What gate/inside/driver.py found."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    imported: list[str]
    smoke: str | None
    cpu: dict[str, list[str]] | None
    """The CPU features of numpy's baseline and of its dispatch; None where nothing reports them."""
    suite: dict[str, Any] | None
    error: str | None
    outside: list[str]
    gil: list[str]


class Report(BaseModel):
    """What gate/inside/enter.py reports of the process with the tested code."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    returncode: int | None
    """None where the time limit ended it."""
    step: str
    """What it began last."""
    threads: list[str]
    """The threads that its interpreter waits for."""
    result: DriverResult | None
    """None where the driver did not reach its end."""
    last_lines: str = ""
    """The end of its output."""

    def failure(self, time_limit: float) -> tuple[str, str | None] | None:
        """Why the process did not end as it should, and a hint; None where it did.

        What the tests themselves found comes first.
        """
        if self.result and self.result.error:
            return self.result.error, None
        limit = f"its time limit of {time_limit:g} s"
        if self.result is None:
            if self.returncode is None:
                hint = "test.time-limit, where it needs longer"
                return f"{self.step}: it ran longer than {limit}", hint
            hint = likely_cause(self.returncode) or "something in it ends the process, as os._exit does"
            ending = describe_ending(self.returncode)
            why = f"{self.step}: the process {ending} before the test came to its end"
            return f"{why}\n{self.last_lines}".rstrip(), hint
        if self.returncode is None:
            threads = ", ".join(self.threads)
            why = f"it waits for these threads, which are no daemons: {threads}" if threads else "it hangs"
            hint = "end them in an atexit function, or make them daemons"
            return f"the test passed, but the process did not end within {limit}: {why}", hint
        if self.returncode not in {0, _NOT_FLUSHED}:
            ending = describe_ending(self.returncode)
            return (
                f"the test passed, but then, as it ended, the process {ending}",
                likely_cause(self.returncode),
            )
        return None


@dataclass
class _ReportListener:
    """Takes the report out of the output, and passes everything else on."""

    listener: ProgressListener
    nonce: str
    report: str | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))

    @property
    def cancelled(self) -> Flag | None:
        return self.listener.cancelled

    def on_line(self, line: str) -> None:
        if line.startswith(self.nonce):
            self.report = line.removeprefix(self.nonce)
            return
        if line.strip():
            self.last_lines.append(line[:_LONGEST_LINE])
        self.listener.on_line(line)


def run_tested(
    engine: Engine, step: Step, directory: Path, *, log: Path, time_limit: float, listener: ProgressListener
) -> Report:
    """Run the step of a clean environment.

    Raises:
        ProcessError: when the wheels cannot be installed, or there is no report.
        CancelledRunError: when the listener cancels it.
    """
    nonce = secrets.token_hex(32)
    reader = _ReportListener(listener, nonce)
    step, limit = replace(step, stdin=f"{nonce}\n"), time_limit + _INSTALLATION
    run_step(engine, step, directory, log=log, time_limit=limit, listener=reader)
    try:
        report = Report.model_validate_json(reader.report or "")
    except ValidationError as problem:
        why = "it is damaged" if reader.report else "it is missing"
        raise ProcessError("the test left no report", where=str(log), why=why) from problem
    return report.model_copy(update={"last_lines": "\n".join(reader.last_lines)})
