"""A plugin of pytest with xdist: known failures become expected failures, and who ended how is counted.

The workers mark the tests; the process that started them counts, tells its progress in the form of Ninja's,
and leaves answer.json. Uses pytest and the standard library only.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

KNOWN = "known-failure"
SHOWN = 500
EVERY = 1.0
"""Seconds between two lines of progress."""


def pattern(test: str) -> re.Pattern[str]:
    """What a known failure matches: `*` and `?` are wildcards, and brackets are parameters."""
    return re.compile(re.escape(test).replace(r"\*", ".*").replace(r"\?", "."))


class Marker:
    """In a worker: marks what is known to fail."""

    def __init__(self, known: list[dict[str, Any]], config: pytest.Config) -> None:
        self.known = [(number, pattern(each["test"]), each) for number, each in enumerate(known)]
        self.config = config
        self.matched: set[int] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Before anything is deselected, so that one that is no test at all can be told."""
        for item in items:
            names = (item.nodeid, item.nodeid.partition("[")[0])
            for number, found, each in self.known:
                if any(map(found.fullmatch, names)):
                    self.matched.add(number)
                    mark = pytest.mark.xfail(reason=each["reason"], run=each["run"], strict=False)
                    # First, so that it comes before what upstream says of the same test.
                    item.add_marker(mark, append=False)
                    item.user_properties.append((KNOWN, str(number)))
                    break

    def pytest_sessionfinish(self) -> None:
        """Tell who started this worker."""
        self.config.workeroutput["matched"] = sorted(self.matched)  # type: ignore[attr-defined]


class Teller:
    """In the process that started the workers: counts, and tells."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.counts: Counter[str] = Counter()
        self.failed: list[dict[str, str]] = []
        self.known: dict[str, Counter[str]] = {"failed": Counter(), "passed": Counter()}
        self.matched: set[int] = set()
        self.total = self.ended = 0
        self.told = 0.0

    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """How many there will be."""
        self.total = len(ids)

    def pytest_testnodedown(self, node: object) -> None:
        """What a worker has marked; one that crashed says nothing."""
        self.matched.update(getattr(node, "workeroutput", {}).get("matched", ()))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected, told once by each worker."""
        if report.failed and report.nodeid not in {each["test"] for each in self.failed}:
            self._fail(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A part of a test has ended."""
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
            self._tell(report.nodeid)

    def _fail(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        crash = getattr(report.longrepr, "reprcrash", None)
        # Where there is a crash, its message begins with what it is; else that is what a traceback ends with.
        lines = crash.message.splitlines() if crash else str(report.longrepr).rstrip().splitlines()[::-1]
        why = next((line.removeprefix("E").strip() for line in lines if line.strip()), "it does not say why")
        when = "" if report.when == "call" else f"{report.when}: "
        self.failed.append({"test": report.nodeid, "why": f"{when}{why}"[:SHOWN]})

    def _tell(self, test: str) -> None:
        if time.monotonic() - self.told >= EVERY or self.ended == self.total:
            self.told = time.monotonic()
            failed = f", {len(self.failed)} failed" if self.failed else ""
            file = test.partition("::")[0]
            print(f"[{self.ended}/{self.total}] Testing {file}{failed}", flush=True)  # noqa: T201 - it tells so

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(
        self,
    ) -> Generator[None, tuple[str, str, object], tuple[str, str, object]]:
        """No letters between the lines of progress."""
        category, _letter, _word = yield
        return (category, "", "")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Leave the answer."""
        answer = {
            "exit": int(exitstatus),
            "passed": self.counts["passed"],
            "failed": self.failed,
            "skipped": self.counts["skipped"],
            "upstream": self.counts["upstream"],
            "known-failed": self.known["failed"],
            "known-passed": self.known["passed"],
            "matched": sorted(self.matched),
        }
        (self.out / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """The part that this process plays."""
    directory = Path(os.environ["WHEELFARM_SUITE"])
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Marker(manifest["known"], config))
    else:
        config.pluginmanager.register(Teller(directory / manifest["out"]))
