"""Runs an upstream test suite for driver.py: pytest, and the plugin of pytest and of its workers.

The plugin marks known failures as expected ones in xdist's workers. The process that starts them counts the
results, and prints its progress in Ninja's form. Uses pytest and the standard library.
"""

from __future__ import annotations

import json
import os
import re
import sys
import sysconfig
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

KNOWN = "known-failure"
SHOWN = 500
SITE_PACKAGES = "{site-packages}"
"""Where the packages are installed, in an argument.

pytest knows the options of a package's conftest.py where it is given the package's path, and not where it is
given its name (https://github.com/pytest-dev/pytest/issues/1596).
"""
EVERY = 1.0
"""Seconds between two lines of progress."""


def pattern(test: str) -> re.Pattern[str]:
    """Compile the pattern of a known failure: `*` and `?` are wildcards, and brackets are parameters."""
    return re.compile(re.escape(test).replace(r"\*", ".*").replace(r"\?", "."))


class Marker:
    """Marks known failures, in a worker."""

    def __init__(self, known: list[dict[str, Any]], config: pytest.Config) -> None:
        self.known = [(number, pattern(each["test"]), each) for number, each in enumerate(known)]
        self.config = config
        self.matched: set[int] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Run before deselection, so that a known failure without a test is noticed."""
        for item in items:
            names = (item.nodeid, item.nodeid.partition("[")[0])
            for number, found, each in self.known:
                if any(map(found.fullmatch, names)):
                    self.matched.add(number)
                    mark = pytest.mark.xfail(reason=each["reason"], run=each["run"], strict=False)
                    # First, so that it comes before upstream's own mark of the same test.
                    item.add_marker(mark, append=False)
                    item.user_properties.append((KNOWN, str(number)))
                    break

    def pytest_sessionfinish(self) -> None:
        self.config.workeroutput["matched"] = sorted(self.matched)  # type: ignore[attr-defined]


class ResultCounter:
    """Counts and prints, in the process that started the workers."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failed: list[dict[str, str]] = []
        self.known: dict[str, Counter[str]] = {"failed": Counter(), "passed": Counter()}
        self.matched: set[int] = set()
        self.total = self.ended = 0
        self.printed = 0.0

    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self.total = len(ids)

    def pytest_testnodedown(self, node: object) -> None:
        """Read the matches of a worker; one that crashed sends none."""
        self.matched.update(getattr(node, "workeroutput", {}).get("matched", ()))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count a file that cannot be collected once, though each worker reports it."""
        if report.failed and report.nodeid not in {each["test"] for each in self.failed}:
            self._fail(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        number = dict(report.user_properties).get(KNOWN)
        expected = hasattr(report, "wasxfail")
        if report.failed:
            self._fail(report)
        elif expected and number is not None:
            self.known["failed" if report.skipped else "passed"][str(number)] += 1
        elif expected:
            self.counts["upstream"] += 1
        elif report.skipped:
            self.counts["skipped"] += 1
        elif report.when == "call":
            self.counts["passed"] += 1
        if report.when == "teardown":
            self.ended += 1
            self._print(report.nodeid)

    def _fail(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        crash = getattr(report.longrepr, "reprcrash", None)
        # The message of a crash begins with the error; a traceback ends with it.
        lines = crash.message.splitlines() if crash else str(report.longrepr).rstrip().splitlines()[::-1]
        why = next((line.removeprefix("E").strip() for line in lines if line.strip()), "it does not say why")
        when = "" if report.when == "call" else f"{report.when}: "
        self.failed.append({"test": report.nodeid, "why": f"{when}{why}"[:SHOWN]})

    def _print(self, test: str) -> None:
        if time.monotonic() - self.printed >= EVERY or self.ended == self.total:
            self.printed = time.monotonic()
            failed = f", {len(self.failed)} failed" if self.failed else ""
            file = test.partition("::")[0]
            print(f"[{self.ended}/{self.total}] Testing {file}{failed}", flush=True)  # noqa: T201 - the listener reads it

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(
        self,
    ) -> Generator[None, tuple[str, str, object], tuple[str, str, object]]:
        """Print no letters between the lines of progress."""
        category, _letter, _word = yield
        return (category, "", "")

    def result(self) -> dict[str, Any]:
        return {
            "passed": self.counts["passed"],
            "failed": self.failed,
            "skipped": self.counts["skipped"],
            "upstream": self.counts["upstream"],
            "known-failed": self.known["failed"],
            "known-passed": self.known["passed"],
            "matched": sorted(self.matched),
        }


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin of a worker."""
    if hasattr(config, "workerinput"):
        manifest = json.loads(Path(os.environ["WHEELFARM_SUITE"]).read_text(encoding="utf-8"))
        config.pluginmanager.register(Marker(manifest["suite"]["known"], config))


def run_suite(manifest: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Run what the manifest lists; failed tests are a result."""
    suite = manifest["suite"]
    # No project's settings reach the suite, and a test's id is its path below site-packages.
    settings = Path("pytest.ini")
    settings.write_text("[pytest]\n", encoding="utf-8")
    installed = sysconfig.get_path("platlib")
    words = (
        *("-c", str(settings.resolve()), "--rootdir", installed),
        *("-p", Path(__file__).stem, "-p", "no:cacheprovider"),
        *("-n", str(suite["jobs"]), "--dist", "worksteal", "--continue-on-collection-errors"),
        *("-q", "--tb=short", "--color=no", "--disable-warnings"),
        f"--junitxml={directory / suite['out'] / 'junit.xml'}",
        *(word.replace(SITE_PACKAGES, installed) for word in suite["words"]),
    )
    os.environ["WHEELFARM_SUITE"] = str(directory / "manifest.json")
    # The suite finds programs of its requirements, such as Meson, by their name.
    path = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), path])
    counter = ResultCounter()
    code = pytest.main(list(words), plugins=[counter])
    return {"exit": int(code), **counter.result()}
