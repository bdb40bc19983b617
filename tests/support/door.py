"""Runs tasks in this process, as one types them: each takes a tenth of the time of a process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from invoke.context import Context
from invoke.exceptions import Exit

from wheelfarm.cli import ci, ci_run, wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pytest

TASKS: Final = {"ci.render": ci.render, "ci.check": ci.check, "repair": wheel.repair}


@dataclass
class Done:
    """How a task ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Door:
    """The tasks of a farm, in this process."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __truediv__(self, path: str) -> Path:
        return self.root / path

    def inv(self, name: str, *words: str, **variables: str) -> Done:
        """Run a task: a word, then options with their values."""
        first = words[: len(words) % 2]
        options = dict(zip(words[len(first) :: 2], words[len(first) + 1 :: 2], strict=True))
        values = {key.removeprefix("--"): value for key, value in options.items()}

        def run() -> int:
            try:
                TASKS[name](Context(), *first, **values)
            except Exit as end:
                return int(end.code)
            return 0

        return self._run(run, variables)

    def ci(self, *words: str, **variables: str) -> Done:
        """Run what a session `ci-*` runs."""
        return self._run(lambda: ci_run.main(words), variables)

    def _run(self, function: Callable[[], int], variables: Mapping[str, str]) -> Done:
        with self.monkeypatch.context() as patch:
            patch.chdir(self.root)
            for variable in set(os.environ) - {"PATH", "HOME"}:
                patch.delenv(variable)
            for variable, value in variables.items():
                patch.setenv(variable, value)
            code = function()
        out, err = self.capsys.readouterr()
        return Done(code, out, err)
