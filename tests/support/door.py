"""Tasks of the workflow in this process, as one types them: each takes a tenth of a process of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from invoke.context import Context
from invoke.exceptions import Exit

from wheelfarm.cli import ci, ci_run, wheel

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TASKS: Final = {
    "ci.render": ci.render,
    "ci.check": ci.check,
    "ci.plan": ci_run.plan,
    "ci.build": ci_run.build,
    "ci.collect": ci_run.collect,
    "ci.summary": ci_run.summary,
    "ci.last": ci_run.last,
    "ci.publish": ci_run.publish,
    "repair": wheel.repair,
}


@dataclass
class Done:
    """How a task ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Door:
    """The tasks of a farm, in this process: in this process."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __truediv__(self, path: str) -> Path:
        return self.root / path

    def inv(self, name: str, *words: str, **variables: str) -> Done:
        """Run a task: a word, then options with their values."""
        first = words[: len(words) % 2]
        options = dict(zip(words[len(first) :: 2], words[len(first) + 1 :: 2], strict=True))
        said = {key.removeprefix("--"): value for key, value in options.items()}
        with self.monkeypatch.context() as patch:
            patch.chdir(self.root)
            for variable in set(os.environ) - {"PATH", "HOME"}:
                patch.delenv(variable)
            for variable, value in variables.items():
                patch.setenv(variable, value)
            code = 0
            try:
                TASKS[name](Context(), *first, **said)
            except Exit as end:
                code = end.code
        out, err = self.capsys.readouterr()
        return Done(code, out, err)
