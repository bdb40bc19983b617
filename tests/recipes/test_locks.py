"""Locks: what a line must say, and which lines a target takes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from packaging.markers import Marker, default_environment

from support.farm import make_farm
from support.raised import only, raised
from wheelfarm.errors import LockError
from wheelfarm.model import LockedRequirement, Python, Target
from wheelfarm.recipes.locks import applicable, parse_lock
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.system.machine import native_target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

A, B = "a" * 64, "b" * 64


@pytest.fixture
def lock(tmp_path: Path) -> Callable[[str], tuple[LockedRequirement, ...]]:
    def parse(text: str) -> tuple[LockedRequirement, ...]:
        (tmp_path / "build.lock").write_text(text, encoding="utf-8", newline="")
        return parse_lock(tmp_path / "build.lock")

    return parse


ONE = (LockedRequirement(name="x", version="1.0", hashes=frozenset({A, B})),)  # type: ignore[arg-type]
BOTH = f"--hash=sha256:{A} --hash=sha256:{B}"


@pytest.mark.parametrize(
    "text",
    [
        f"x==1.0 {BOTH}",
        f"X == 1.0   {BOTH}\n\n\n",
        f"x==1.0 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n",
        f"x==1.0 \\\r\n    --hash=sha256:{A} \\\r\n    --hash=sha256:{B}\r\n",
        f"# what\n  # is\n\nx==1.0 \\\n --hash=sha256:{A} \\\n --hash=sha256:{B}\n    # via y\n",
        f"x==1.0 {BOTH} # why",
        f"x==1.0 {BOTH}\t# why",
        f"x[extra]==1.0 {BOTH.upper().replace('--HASH=SHA256', '--hash=sha256')}",
        # A line that goes on, and then the file ends.
        f"x==1.0 {BOTH} \\",
        f"x==1.0 {BOTH} \\\n",
    ],
)
def test_ways_to_write_one_requirement(lock: Callable[[str], object], text: str) -> None:
    assert lock(text) == ONE


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n\n  # at all"])
def test_a_lock_may_be_empty(lock: Callable[[str], object], text: str) -> None:
    assert lock(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        *(f"x {BOTH}", f"x>=1.0 {BOTH}", f"x==1.* {BOTH}", f"x==1.0,==1.1 {BOTH}", f"x~=1.0 {BOTH}"),
        *("x==1.0", f"x==1.0 --hash=md5:{A[:32]}", f"x==1.0 # {BOTH}", f"x @ https://x.invalid/x.whl {BOTH}"),
    ],
)
def test_a_line_that_is_not_locked(lock: Callable[[str], object], tmp_path: Path, text: str) -> None:
    error = only(lambda: lock(f"\n{text}"), LockError)
    assert (error.what, error.where) == ("x is not locked", f"{tmp_path / 'build.lock'}:2")
    assert error.hint == "inv recipe.lock writes it anew"


@pytest.mark.parametrize(
    "text",
    [
        *("-r other.txt", "--index-url x", "-e .", "./x.whl", "x = 1", "?"),
        pytest.param(f"x==1.0 ; {'(' * 5000}", id="nested"),
        pytest.param(f"x==1.0 ; python_version < '{'9' * 5000}'", id="a long number"),
    ],
)
def test_a_line_that_is_no_requirement(lock: Callable[[str], object], text: str) -> None:
    assert only(lambda: lock(text), LockError).what == f"not a requirement: {text}"


def test_a_hash_that_is_none(lock: Callable[[str], object]) -> None:
    error = only(lambda: lock("x==1 --hash=sha256:abc"), LockError)
    assert error.what == "'abc' is not a sha256"
    assert str(error.where).endswith("build.lock:1")


def test_all_bad_lines_come_at_once_each_with_its_number(lock: Callable[[str], object]) -> None:
    errors = raised(lambda: lock(f"# one\na>1\n\nb==1 \\\n  {BOTH}\nc==1 \\\n  # nothing\n?\n"), LockError)
    assert [(error.what, str(error.where).rpartition(":")[2]) for error in errors] == [
        ("a is not locked", "2"),
        ("c is not locked", "6"),
        ("not a requirement: ?", "8"),
    ]


def test_a_missing_lock_says_who_writes_it(tmp_path: Path) -> None:
    error = only(lambda: parse_lock(tmp_path / "build.lock"), LockError)
    assert error.hint == f"inv recipe.lock {tmp_path.name} writes it"


def test_a_recipe_reads_its_locks(tmp_path: Path) -> None:
    files = {
        "recipes/alpha/build.lock": f"x==1.0 {BOTH}\ny==2 ; sys_platform == 'win32' {BOTH}\n",
        "recipes/beta/test.lock": f"z==3 ; python_version < '3.12' {BOTH}\n",
    }
    recipes = read_recipes(make_farm(tmp_path, {"alpha": {}, "beta": {}}, files=files))
    linux, windows = Target.parse("cp311-manylinux_x86_64"), Target.parse("cp312-win_amd64")
    alpha, beta = recipes.find("alpha"), recipes.find("beta")
    assert alpha.build_requirements(linux) == ONE
    assert [each.name for each in alpha.build_requirements(windows)] == ["x", "y"]
    assert alpha.test_requirements(linux) == ()
    assert [each.name for each in beta.test_requirements(linux)] == ["z"]
    assert beta.test_requirements(windows) == ()


def _holds(lock: Callable[[str], tuple[LockedRequirement, ...]], marker: str, target: Target) -> bool:
    return bool(applicable(lock(f"x==1 ; {marker} {BOTH}"), target))


@pytest.mark.parametrize(
    ("target", "facts"),
    [
        ("cp311-manylinux_x86_64", ("linux", "Linux", "posix", "x86_64", "3.11")),
        ("cp39-musllinux_aarch64", ("linux", "Linux", "posix", "aarch64", "3.9")),
        ("cp313-macosx_arm64", ("darwin", "Darwin", "posix", "arm64", "3.13")),
        ("cp314t-win_amd64", ("win32", "Windows", "nt", "AMD64", "3.14")),
        ("cp312-win_arm64", ("win32", "Windows", "nt", "ARM64", "3.12")),
        ("cp312-win32", ("win32", "Windows", "nt", "AMD64", "3.12")),
    ],
)
def test_markers_are_those_of_the_target(
    lock: Callable[[str], tuple[LockedRequirement, ...]], target: str, facts: tuple[str, ...]
) -> None:
    """Packaging decides, given the facts as each system's Python states them."""
    names = ("sys_platform", "platform_system", "os_name", "platform_machine", "python_version")
    environment = dict(zip(names, facts, strict=True))
    values = {
        "sys_platform": ("linux", "darwin", "win32"),
        "platform_system": ("Linux", "Darwin", "Windows"),
        "os_name": ("posix", "nt"),
        "platform_machine": ("x86_64", "aarch64", "arm64", "AMD64", "ARM64", "x86"),
        "python_version": ("3.9", "3.11", "3.12", "3.14"),
    }
    for name, operator in itertools.product(names, ("==", "!=")):
        for value in values[name]:
            marker = f"{name} {operator} '{value}'"
            assert _holds(lock, marker, Target.parse(target)) == Marker(marker).evaluate(environment), marker
    for operator, value in itertools.product(("<", ">="), values["python_version"]):
        marker = f"python_version {operator} '{value}' or python_full_version {operator} '{value}'"
        full = environment | {"python_full_version": f"{environment['python_version']}.0"}
        assert _holds(lock, marker, Target.parse(target)) == Marker(marker).evaluate(full), marker


def test_a_name_is_locked_once_for_a_target(lock: Callable[[str], tuple[LockedRequirement, ...]]) -> None:
    linux, windows = Target.parse("cp311-manylinux_x86_64"), Target.parse("cp313-win_amd64")
    lines = ("x==1.0 ; python_version < '3.13'", "X==2.0 ; sys_platform == 'win32'", "y==1", "z==1", "z==2")
    forked = lock("".join(f"{line} {BOTH}\n" for line in lines[:3]))
    # The markers of a universal lock hold one at a time.
    assert [each.version for each in applicable(forked, linux)] == ["1.0", "1"]
    assert [each.version for each in applicable(forked, windows)] == ["2.0", "1"]
    both = lock("".join(f"{line} {BOTH}\n" for line in lines))
    error = only(lambda: applicable(both, windows), LockError)
    assert (error.what, error.where) == ("z is locked more than once for cp313-win_amd64", "z==1 and z==2")
    older = Target.parse("cp312-win_amd64")
    errors = raised(lambda: applicable(both, older), LockError)
    assert [error.what.split()[0] for error in errors] == ["x", "z"]
    assert "x==1.0 ; python_version < " in str(errors[0].where)
    assert "x==2.0 ; sys_platform == " in str(errors[0].where)


def test_markers_for_this_machine_are_what_its_python_says(
    lock: Callable[[str], tuple[LockedRequirement, ...]],
) -> None:
    here = {name: str(value) for name, value in default_environment().items()}
    target = native_target(Python.parse(here["python_version"]))
    for name in (
        *("sys_platform", "platform_system", "os_name", "platform_machine", "python_version"),
        *("implementation_name", "platform_python_implementation"),
    ):
        assert _holds(lock, f"{name} == '{here[name]}'", target), name
