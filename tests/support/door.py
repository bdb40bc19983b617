"""Runs the command line in this process: each call takes a tenth of the time of a process."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.cli import ci_run
from wheelfarm.cli.program import FarmProgram, StrictProgram, collection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

_PASSED: Final = {"PATH", "HOME"}
"""The variables of this process that a task gets."""


@dataclass
class Done:
    """How a command line ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Door:
    """The tasks of the farm in a directory."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __truediv__(self, path: str) -> Path:
        return self.root / path

    def inv(self, *words: str, **variables: str) -> Done:
        """Run `inv`."""
        return self._run(lambda: StrictProgram(namespace=collection()).run(["inv", *words]), **variables)

    def wheelfarm(self, *words: str, **variables: str) -> Done:
        """Run the console script."""
        return self._run(lambda: FarmProgram(namespace=collection()).run(["wheelfarm", *words]), **variables)

    def ci(self, *words: str, **variables: str) -> Done:
        """Run what a session `ci-*` runs."""
        return self._run(lambda: sys.exit(ci_run.main(words)), **variables)

    def _run(self, program: Callable[[], None], **variables: str) -> Done:
        code: str | int | None = 0
        with self.monkeypatch.context() as patch:
            patch.chdir(self.root)
            patch.setattr(sys, "dont_write_bytecode", True)  # invoke sets it too
            for variable in set(os.environ) - _PASSED:
                patch.delenv(variable)
            for variable, value in variables.items():
                patch.setenv(variable, value)
            try:
                program()
            except SystemExit as end:
                code = end.code
        out, err = self.capsys.readouterr()
        return Done(int(code or 0), out, err)
