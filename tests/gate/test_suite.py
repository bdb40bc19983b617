"""An upstream suite in a clean environment: real pytest with xdist, and tests that end in every way."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import LINUX, builds_of, make_farm, make_toolchain
from support.progress import RecordingListener
from support.raised import only
from support.suite import package, runner
from wheelfarm.build.host_engine import Host
from wheelfarm.errors import SuiteError
from wheelfarm.gate.suite import Selection, SuiteResult, run_suite

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the farm's builds are for Linux here")

HERE = LINUX.replace("311", f"{sys.version_info.major}{sys.version_info.minor}")
FILE = "alpha/tests/test_all.py"
KNOWN = [
    {"test": f"{FILE}::test_known", "reason": "needs the network"},
    {"test": f"{FILE}::test_known_parameters", "reason": "one of them fails"},
    {"test": f"{FILE}::test_mended*", "reason": "it once did"},
    {"test": f"{FILE}::test_would_crash", "reason": "it ends the process", "run": False},
    {"test": f"{FILE}::test_gone", "reason": "upstream has renamed it"},
]
SUITE = {
    "args": ["--pyargs", "alpha", "-W", "ignore::pytest.PytestUnknownMarkWarning"],
    "fast": ["-m", "not slow"],
    "environment": {"ALPHA": "a b"},
    "known-failures": KNOWN,
}


def run(
    root: Path,
    *,
    listener: RecordingListener | None = None,
    **selection: Any,
) -> SuiteResult:
    settings = make_farm(root / "farm", {"alpha": {"test": {"suite": SUITE}}})
    build = builds_of(settings, toolchains=[make_toolchain(HERE)])["alpha"]
    suite = build.resolved.test.suite
    assert suite is not None
    return run_suite(
        build,
        suite,
        Host(settings),
        root / "clean",
        wheels=[*package(root), *runner(root)],
        selection=Selection(**selection),
        jobs=1,
        log=root / "suite.log",
        listener=listener or RecordingListener(),
    )


def test_each_way_in_which_a_test_ends(tmp_path: Path) -> None:
    listener = RecordingListener()
    verdict = run(tmp_path, listener=listener, fast=True)
    assert {failed.test: failed.why for failed in verdict.failed} == {
        f"{FILE}::test_fails": "AssertionError: the sum is wrong",
        f"{FILE}::test_errs": "setup: RuntimeError: no fixture",
        "alpha/tests/test_broken.py": "collect: ModuleNotFoundError: No module named 'nothing_like_it'",
    }
    assert (verdict.passed, verdict.skipped, verdict.upstream, verdict.expected) == (1, 1, 1, 3)
    assert verdict.mended == (f"{FILE}::test_mended*",)
    assert verdict.unmatched == (f"{FILE}::test_gone",)
    steps = [line for line in listener.lines if "] Testing " in line]
    assert steps[-1].startswith(f"[11/11] Testing {FILE}")
    cases = ET.parse(tmp_path / "suite.xml").getroot().findall(".//testcase")  # noqa: S314 - our own file
    assert len(cases) == 12
    assert "the sum is wrong" in (tmp_path / "suite.log").read_text()


def test_what_does_not_come_to_its_end(tmp_path: Path) -> None:
    error = only(lambda: run(tmp_path, arguments=("--no-such-option",)), SuiteError)
    assert "unrecognized arguments: --no-such-option" in str(error.why)
    assert (error.exit_code, error.log) == (62, tmp_path / "suite.log")
