"""Errors: what each says, and how several are collected."""

from __future__ import annotations

import importlib
import io
import pkgutil
from pathlib import Path

import pytest

import wheelfarm
from wheelfarm.errors import (
    BuildError,
    CancelledRunError,
    Collector,
    FarmError,
    GroupError,
    LockError,
    RecipeError,
    SourceError,
    counted,
)
from wheelfarm.report.screen import Screen
from wheelfarm.report.text import table_lines


def _subclasses(of: type[FarmError]) -> set[type[FarmError]]:
    below = set(of.__subclasses__())
    return below | {deeper for each in below for deeper in _subclasses(each)}


def _fail(error: FarmError) -> None:
    raise error


def _classes() -> list[type[FarmError]]:
    """All classes of the farm, in whatever module."""
    for module in pkgutil.walk_packages(wheelfarm.__path__, "wheelfarm."):
        if not {"inside", "cli"} & set(module.name.split(".")):
            importlib.import_module(module.name)
    return sorted(_subclasses(FarmError), key=lambda each: each.__name__)


def test_all_classes_are_in_the_errors_module_and_documented() -> None:
    classes = _classes()
    assert {each.__module__ for each in classes} == {"wheelfarm.errors"}
    assert all(each.__doc__ for each in classes)
    assert len(classes) > 20


def test_slugs_and_exit_codes_are_unique() -> None:
    classes: list[type[FarmError]] = [FarmError, *_classes()]
    slugs = [each.slug for each in classes]
    assert sorted(slugs) == sorted(set(slugs))
    # A group has the exit code of its first error, and none of its own.
    codes = [each.exit_code for each in classes if each is not GroupError]
    assert sorted(codes) == sorted(set(codes))
    # 0 is success; 126 and above are the shell's, for which an interrupted program ends with 130.
    assert all(0 < code < 126 for code in codes if code != CancelledRunError.exit_code)


def test_lines_say_what_where_why_log_and_next_in_that_order() -> None:
    error = BuildError("it broke", where="here", why="because", hint="do this", log=Path("build.log"))
    assert error.lines() == [
        "error[build]: it broke",
        "  where: here",
        "  why: because",
        "  log: build.log",
        "  next: do this",
    ]
    assert str(error) == "\n".join(error.lines())


def test_lines_leave_out_what_is_not_known() -> None:
    assert FarmError("no").lines() == ["error[error]: no"]


def test_a_group_has_all_lines_and_the_exit_code_of_its_first() -> None:
    group = GroupError([LockError("one"), RecipeError("two", why="so")])
    assert group.lines() == ["error[lock]: one", "error[recipe]: two", "  why: so"]
    assert group.what == "2 problems found"
    assert group.exit_code == LockError.exit_code


def test_a_collector_without_errors_raises_nothing() -> None:
    problems = Collector()
    with problems.collect():
        pass
    problems.check()


def test_a_collector_raises_the_only_error_itself() -> None:
    problems = Collector()
    only = LockError("one")
    with problems.collect():
        _fail(only)
    with pytest.raises(LockError) as caught:
        problems.check()
    assert caught.value is only


def test_a_collector_keeps_the_members_of_a_group() -> None:
    problems = Collector()
    inner = [LockError("one"), LockError("two")]
    with problems.collect():
        _fail(GroupError(inner))
    problems.add(RecipeError("three"))
    with pytest.raises(GroupError) as caught:
        problems.check()
    assert [error.what for error in caught.value.errors] == ["one", "two", "three"]


def test_a_collector_collects_farm_errors_only() -> None:
    problems = Collector()
    with pytest.raises(ZeroDivisionError), problems.collect():
        _ = 1 // 0
    assert problems.errors == []


FORGED = "a\nerror[source]: all is well\n\x1b[2J\u202egnp.exe\r\x9b31m\udc80"


def test_an_error_shows_names_from_outside_without_their_escapes() -> None:
    error = SourceError(FORGED, where=FORGED, why=f"\x1b[31merror\x1b[0m: {FORGED}", hint="x\ty ü 語")
    lines = error.lines()
    assert all(line.replace("\t", "").isprintable() for line in lines)
    assert [line for line in lines if not line.startswith("    ")] == [
        "error[source]: a",
        "  where: a",
        "  why: error: a",
        "  next: x\ty ü 語",
    ]
    assert "    \\x1b[2J\\u202egnp.exe\\r\\x9b31m\\udc80" in lines
    str(error).encode()


def test_a_screen_shows_each_line_as_one() -> None:
    people, programs = io.StringIO(), io.StringIO()
    screen = Screen(people, programs)
    screen.say(FORGED)
    screen.result([FORGED, *table_lines(["x", "y"], [[FORGED, "1"], ["b", "2"]])])
    screen.data({"x": FORGED})
    assert people.getvalue().count("\n") == 1
    assert all(line.isprintable() for line in people.getvalue().splitlines())
    assert all(line.isprintable() for line in programs.getvalue().split("\n"))
    assert "\nerror[source]" not in people.getvalue() + programs.getvalue()


@pytest.mark.parametrize(
    ("number", "nouns", "text"),
    [
        (0, ("wheel",), "0 wheels"),
        (1, ("wheel",), "1 wheel"),
        (1200, ("library", "libraries"), "1,200 libraries"),
        (1, ("library", "libraries"), "1 library"),
    ],
)
def test_a_number_and_its_noun(number: int, nouns: tuple[str, ...], text: str) -> None:
    assert counted(number, *nouns) == text
