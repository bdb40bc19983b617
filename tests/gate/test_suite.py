"""An upstream suite in a clean environment: real pytest with xdist, and tests that end in every way."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import HERE, builds_of, make_farm, make_toolchain
from support.progress import RecordingListener
from support.raised import only
from support.suite import package, pinned, runner
from support.wheels import make_wheel
from wheelfarm.build.host_engine import Host
from wheelfarm.errors import SuiteError, UsageError
from wheelfarm.gate.inside.wheelfarm_suite import pattern
from wheelfarm.gate.suite import FailedTest, Selection, SuiteResult, run_suite
from wheelfarm.recipes.recipe import KnownFailure, Suite
from wheelfarm.report.wheel import suite_lines

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.model import PinnedWheel

linux = pytest.mark.skipif(sys.platform != "linux", reason="the farm's builds are for Linux here")

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


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[PinnedWheel]:
    """The package with its tests, and pytest."""
    root = tmp_path_factory.mktemp("wheels")
    return [*package(root), *runner(root)]


def run(
    root: Path,
    wheels: list[PinnedWheel],
    *,
    listener: RecordingListener | None = None,
    suite_table: dict[str, Any] = SUITE,
    **selection: Any,
) -> SuiteResult:
    settings = make_farm(root / "farm", {"alpha": {"test": {"suite": suite_table}}})
    build = builds_of(settings, toolchains=[make_toolchain(HERE)])["alpha"]
    suite = build.resolved.test.suite
    assert suite is not None
    return run_suite(
        build,
        suite,
        Host(settings),
        root / "clean",
        wheels=wheels,
        selection=Selection(**selection),
        jobs=1,
        log=root / "suite.log",
        listener=listener or RecordingListener(),
    )


@linux
@pytest.mark.slow
def test_each_way_in_which_a_test_ends(tmp_path: Path, wheels: list[PinnedWheel]) -> None:
    listener = RecordingListener()
    verdict = run(tmp_path, wheels, listener=listener, fast=True)
    assert {failed.test: failed.why for failed in verdict.failed} == {
        f"{FILE}::test_fails": "AssertionError: the sum is wrong",
        f"{FILE}::test_errs": "setup: RuntimeError: no fixture",
        "alpha/tests/test_broken.py": "collect: ModuleNotFoundError: No module named 'nothing_like_it'",
    }
    assert (verdict.passed, verdict.skipped, verdict.upstream, verdict.expected) == (1, 1, 1, 3)
    assert verdict.known_passed == (f"{FILE}::test_mended*",)
    assert verdict.unmatched == (f"{FILE}::test_gone",)
    steps = [line for line in listener.lines if "] Testing " in line]
    assert steps[-1].startswith(f"[11/11] Testing {FILE}")
    cases = ET.parse(tmp_path / "suite.xml").getroot().findall(".//testcase")  # noqa: S314 - our own file
    assert len(cases) == 12
    assert "the sum is wrong" in (tmp_path / "suite.log").read_text()


@linux
@pytest.mark.slow
def test_what_does_not_come_to_its_end(tmp_path: Path, wheels: list[PinnedWheel]) -> None:
    error = only(lambda: run(tmp_path, wheels, arguments=("--no-such-option",)), SuiteError)
    assert "unrecognized arguments: --no-such-option" in str(error.why)
    assert (error.exit_code, error.log) == (62, tmp_path / "suite.log")


@linux
@pytest.mark.slow
def test_an_option_of_the_package_s_own_conftest(tmp_path: Path, wheels: list[PinnedWheel]) -> None:
    files = {
        "alpha/conftest.py": "def pytest_addoption(parser): parser.addoption('--lenient', action='count')",
        "alpha/tests/__init__.py": "",
        "alpha/tests/test_all.py": "def test_lenient(request): assert request.config.getoption('--lenient')",
    }
    tests = pinned(make_wheel(tmp_path, "alpha-tests", "1.0", files), "alpha-tests")
    replaced = [*(wheel for wheel in wheels if wheel.name != "alpha-tests"), tests]
    table = {"args": ["{site-packages}/alpha", "--lenient"]}
    verdict = run(tmp_path, replaced, suite_table=table)
    assert (verdict.passed, verdict.failed) == (1, ())
    verdict = run(tmp_path, replaced, suite_table={"args": table["args"][:1]})
    assert [each.test for each in verdict.failed] == [f"{FILE}::test_lenient"]


@linux
@pytest.mark.parametrize("plugin", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_suite_cannot_answer_for_pytest(
    tmp_path: Path, wheels: list[PinnedWheel], *, plugin: bool
) -> None:
    forged = json.dumps({"exit": 0, "passed": 9, "failed": [], "skipped": 0, "upstream": 0})
    code = f"""
import os, pathlib
for each in pathlib.Path({str(tmp_path)!r}).rglob("out"):
    (each / "answer.json").write_text({forged!r})
print({forged!r}, flush=True)
os._exit(0)
"""
    files = {"alpha/tests/forging.py": code} if plugin else {"alpha/conftest.py": code}
    entry = {"alpha_tests-1.0.dist-info/entry_points.txt": "[pytest11]\nforge = alpha.tests.forging\n"}
    tests = {"alpha/tests/__init__.py": "", "alpha/tests/test_all.py": "def test_fails(): assert 0"}
    forging = make_wheel(tmp_path, "alpha-tests", "1.0", {**tests, **files, **(entry if plugin else {})})
    replaced = [wheel for wheel in wheels if wheel.name != "alpha-tests"]
    error = only(lambda: run(tmp_path, [*replaced, pinned(forging, "alpha-tests")]), SuiteError)
    # conftest.py runs in the workers of pytest, and the plugin in the process that starts them too.
    ended = "pytest: the process ended with exit code 0 before the test came to its end"
    assert str(error.why).startswith(ended if plugin else "no test was selected")


FAILURES = [
    KnownFailure(test=test, reason="it is so") for test in ("a.py::x", "a.py::y", "a.py::z", "a.py::w")
]
ANSWER: dict[str, Any] = {
    "exit": 1,
    "passed": 41234,
    "failed": [{"test": "b.py::t", "why": "assert 1 == 2"}],
    "skipped": 3,
    "upstream": 2,
    "known-failed": {"0": 5, "2": 1},
    "known-passed": {"1": 2, "2": 4},
    "matched": [0, 1, 2],
}


def verdict(*, whole: bool = True, **changes: Any) -> SuiteResult:
    return SuiteResult.of(ANSWER | changes, FAILURES, whole=whole, seconds=192)


def test_counts() -> None:
    found = verdict()
    assert (found.passed, found.skipped, found.upstream, found.expected) == (41234, 3, 2, 6)
    assert found.failed == (FailedTest(test="b.py::t", why="assert 1 == 2"),)
    # Mended: nothing of it fails. Unmatched: it is no test, where all tests were collected.
    assert (found.known_passed, found.unmatched) == (("a.py::y",), ("a.py::w",))
    assert verdict(whole=False).unmatched == ()
    assert not found.good
    assert verdict(failed=[]).good


def test_lines_of_a_result() -> None:
    first, *rest = suite_lines(verdict())
    assert first == (
        "41,234 passed, 1 failed, 6 known failures, 1 known failures that passed, "
        "2 expected to fail by upstream, 3 skipped, in 3 min 12 s"
    )
    assert rest == [
        "known failure no longer fails, remove it: a.py::y",
        "known failure is no test of the suite, remove it: a.py::w",
    ]


def test_the_arguments_of_pytest() -> None:
    suite = Suite(args=["--pyargs", "alpha"], fast=["-m", "not slow"])
    assert Selection().words(suite, where="") == ("--pyargs", "alpha")
    selection = Selection(fast=True, keyword="svd and not big", arguments=("-x",))
    words = ("--pyargs", "alpha", "-m", "not slow", "-k", "svd and not big", "-x")
    assert selection.words(suite, where="") == words
    assert (Selection(fast=True).whole, selection.whole) == (True, False)


def test_a_quick_subset_that_nobody_has_named() -> None:
    suite = Suite(args=["--pyargs", "alpha"])
    error = only(lambda: Selection(fast=True).words(suite, where="recipes/alpha/recipe.toml"), UsageError)
    assert error.where == "recipes/alpha/recipe.toml: test.suite.fast"


@pytest.mark.parametrize(
    ("known", "test", "matches"),
    [
        ("a/t.py::test_x", "a/t.py::test_x", True),
        ("a/t.py::test_x", "a/t.py::test_xy", False),
        ("a/t.py::test_x[1-*]", "a/t.py::test_x[1-2]", True),
        ("a/t.py::test_x[1]", "a/t.py::test_x1", False),
        ("a/t.py::Test?::*", "a/t.py::TestA::test_x[dtype('<f8')]", True),
        ("a.t.py", "a/t.py", False),
    ],
)
def test_wildcards(known: str, test: str, *, matches: bool) -> None:
    assert bool(pattern(known).fullmatch(test)) is matches
