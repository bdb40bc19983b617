"""The result of a suite, and the selection of its tests."""

from __future__ import annotations

from typing import Any

import pytest

from support.raised import only
from wheelfarm.errors import UsageError
from wheelfarm.gate.inside.wheelfarm_known import pattern
from wheelfarm.gate.suite import FailedTest, Selection, SuiteResult
from wheelfarm.recipes.recipe import KnownFailure, Suite
from wheelfarm.report.wheel import suite_lines

KNOWN = [KnownFailure(test=test, reason="it is so") for test in ("a.py::x", "a.py::y", "a.py::z", "a.py::w")]
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
    return SuiteResult.of(ANSWER | changes, KNOWN, whole=whole, seconds=192)


def test_what_was_counted() -> None:
    found = verdict()
    assert (found.passed, found.skipped, found.upstream, found.expected) == (41234, 3, 2, 6)
    assert found.failed == (FailedTest(test="b.py::t", why="assert 1 == 2"),)
    assert not found.good
    assert verdict(failed=[]).good


def test_a_known_failure_is_mended_when_nothing_of_it_fails() -> None:
    assert verdict().mended == ("a.py::y",)


def test_a_known_failure_that_is_no_test() -> None:
    assert verdict().unmatched == ("a.py::w",)
    assert verdict(whole=False).unmatched == ()


def test_what_is_said() -> None:
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
