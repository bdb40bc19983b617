"""The session public-wheels fails for what it should, and its list and its result are of the same wheels."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from public import run
from support.binaries import calls, elf
from support.wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

TAG = "cp311-cp311-manylinux_2_28_x86_64"


def wheel(root: Path, *flags: str) -> Path:
    files: dict[str, str | bytes] = {"pkg/__init__.py": "", "pkg/_ext.so": elf(calls(), flags=("-s", *flags))}
    return make_wheel(root, "pkg", "1.0", files, tag=TAG)


def test_the_result_is_of_the_wheels_in_the_list() -> None:
    listed = [each["file"] for each in run.wheels()]
    assert len(listed) == len(set(listed)) == 50
    assert list(json.loads(run.RESULT.read_text())) == listed


def test_an_error_that_nobody_expects(tmp_path: Path) -> None:
    examined, refused = run.examine_in_child(wheel(tmp_path, "-Wl,-z,execstack"))
    assert examined.errors == {"executable-stack": ["pkg/_ext.so"]}
    (problem,) = run.problems_of(examined, refused, None)
    assert problem.startswith("unexpected: executable-stack: expected none, found 1: pkg/_ext.so")


def test_a_result_that_has_changed(tmp_path: Path) -> None:
    examined, refused = run.examine_in_child(wheel(tmp_path))
    known = {"binaries": 1, "errors": {}, "notes": {}}
    assert list(run.problems_of(examined, refused, known)) == []
    (problem,) = run.problems_of(examined, refused, known | {"binaries": 2})
    assert problem == "binaries: 1, and result.json says 2"


def test_a_reader_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "examine_file", lambda _: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(ChildProcessError, match="exit code -9"):
        run.examine_in_child(wheel(tmp_path))
