"""Which programs of the machine a build on the host sees, and the hints about those that it does not see."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.farm import builds_of, make_farm
from support.packages import tinyleaf
from support.stages import build_for, make_stage
from support.tiny import LEAF, run_farm, tiny_farm, tiny_index
from wheelfarm.build.edits import Compile, Require
from wheelfarm.build.host_engine import Host
from wheelfarm.build.inside import programs
from wheelfarm.build.refused_programs import (
    explain_refused,
    refused_programs,
    suspected_programs,
    visible_programs,
)
from wheelfarm.errors import BuildError
from wheelfarm.system.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.farm import Table

    Hide = Callable[..., list[str]]

DPKG = 'for each; do test "$each" = swig-package && echo "$SYSTEM/swig"; done; exit 0'
"""A dpkg-query -L that knows one package."""


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """The directory of a system's programs: four tools, and two names of one compiler."""
    directory = tmp_path / "system"
    directory.mkdir()
    for name in ("cmake", "swig", "gcc", "c++", "sed"):
        (directory / name).write_text("#!/bin/sh\necho the real one\n")
        (directory / name).chmod(0o755)
    (directory / "cc").symlink_to("gcc")
    return directory


@pytest.fixture
def hide(tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch) -> Hide:
    """Hides the programs of the system but some; returns the names of those that are hidden."""
    for name in ("bin", "tmp"):
        (tmp_path / name).mkdir()
    query = tmp_path / "bin" / "dpkg-query"
    query.write_text(f"#!/bin/sh\nSYSTEM={system}\n{DPKG}\n")
    query.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    def run(*visible: str, packages: tuple[str, ...] = ()) -> list[str]:
        programs.main(list(visible), list(packages), tmp_path, str(system))
        return sorted(path.name for path in (tmp_path / "programs").iterdir())

    return run


def test_tools_that_the_key_does_not_hold_are_hidden(hide: Hide, tmp_path: Path) -> None:
    assert hide("cc") == ["c++", "cmake", "swig"]  # sed is no build tool, and gcc is cc
    finished = subprocess.run(
        [tmp_path / "programs" / "cmake", "--version"], capture_output=True, text=True, check=False
    )
    real = tmp_path / "system" / "cmake"
    assert (finished.returncode, finished.stdout) == (127, "")
    assert finished.stderr == f"wheelfarm refuses cmake: {real} is no part of the build key\n"
    assert refused_programs(tmp_path) == {"cmake": str(real)}


@pytest.mark.parametrize(
    ("backend", "line", "suspected"),
    [
        # Each Meson project calls it, for Python's headers.
        ("mesonpy", "meson.build:94:0: ERROR: Command `download.py` failed with status 1.", []),
        ("mesonpy", 'ERROR: Dependency "foo" not found, tried pkgconfig', ["pkg-config"]),
        ("setuptools.build_meta", "error: command failed", ["pkg-config", "git"]),
    ],
)
def test_what_each_meson_build_calls_is_no_cause_of_its_failure(
    tmp_path: Path, backend: str, line: str, suspected: list[str]
) -> None:
    farm = make_farm(tmp_path / "farm")
    stage = make_stage(build_for(farm), Host(farm), tmp_path / "stage", backend=backend)
    (stage.root / "tmp").mkdir(parents=True)
    calls = "pkg-config /usr/bin/pkg-config\ngit /usr/bin/git\n"
    (stage.root / programs.REFUSED).write_text(calls)
    assert list(suspected_programs(stage, [line])) == suspected


def test_a_program_that_the_recipe_names_by_its_path_is_visible(hide: Hide, system: Path) -> None:
    assert hide("cc", "c++", str(system / "cmake")) == ["swig"]


def test_what_a_system_package_of_the_recipe_installs_is_visible(hide: Hide) -> None:
    assert hide("cc", "c++", packages=("swig-package=1.0",)) == ["cmake"]


def test_the_recipe_says_which_compilers_are_visible(tmp_path: Path) -> None:
    table = {"compilers": ["c", "fortran"], "environment": {"CXX": "ccache g++-12 -m64", "SWIG": "swig"}}
    build = builds_of(make_farm(tmp_path, {"alpha": table}))["alpha"]
    assert visible_programs(build) == ("cc", "gcc", "gfortran", "f77", "f95", "ccache", "g++-12")


def test_the_advice_names_the_lines_to_add(tmp_path: Path) -> None:
    build = builds_of(make_farm(tmp_path, {"alpha": {"compilers": ["c"]}}))["alpha"]
    nowhere = Machine({"PATH": ""})
    cause, hint, edits = explain_refused({"cmake": "/opt/cmake", "g++": "/usr/bin/g++"}, build, nowhere)
    assert cause == "the build called cmake (/opt/cmake), g++ (/usr/bin/g++), which its key does not hold"
    assert hint == (
        'cmake: [build-requires] add = ["cmake"]; g++: compilers = ["c", "c++"]; then inv recipe.lock alpha'
    )
    assert edits == (Require("cmake"), Compile("c++"))


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="asks dpkg")
def test_the_advice_names_the_system_package(tmp_path: Path) -> None:
    build = builds_of(make_farm(tmp_path))["alpha"]
    _, hint, edits = explain_refused({"bison": "/usr/bin/dpkg"}, build, Machine({"PATH": "/usr/bin:/bin"}))
    assert hint == 'bison: [system-packages] apt = ["dpkg"]; then inv recipe.lock alpha'
    assert edits == ()


CALLS_GIT = """\
import shutil
import subprocess

assert shutil.which("users-own") is None
subprocess.run(["git", "--version"], check=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a build has the whole PATH")
@pytest.mark.slow  # builds; what is hidden, and the advice, are tested above
def test_a_build_sees_no_program_of_the_user_and_no_tool_outside_its_key(tmp_path: Path) -> None:
    files = tinyleaf()
    files["setup.py"] = CALLS_GIT + files["setup.py"]
    index = tiny_index(tmp_path / "index", tinyleaf=files)
    own = tmp_path / "home" / ".local" / "bin" / "users-own"
    own.parent.mkdir(parents=True)
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    path = f"{own.parent}:{os.environ['PATH']}"
    settings = tiny_farm(tmp_path / "farm", index, LEAF, environ={"PATH": path})
    error = run_farm(settings).error("tinyleaf")
    assert isinstance(error, BuildError)
    assert "the build called git (/usr/bin/git), which its key does not hold" in str(error.why)
    assert "git: " in str(error.hint)


PROBES = """\
import subprocess

subprocess.run("git describe --tags || true", shell=True)
with open("../tmp/refused-programs.txt", "a") as file:
    file.write("no-tool /bin/x\\nmore\\ncmake \\x1b[31m\\n")
"""


@pytest.mark.slow
@pytest.mark.parametrize("named", [False, True])
def test_a_build_that_goes_on_without_a_program_ends_with_a_warning(tmp_path: Path, named: bool) -> None:  # noqa: FBT001
    """In outcome and record; what the build itself writes into the list is left out."""
    files = tinyleaf()
    files["setup.py"] = PROBES + files["setup.py"]
    index = tiny_index(tmp_path / "index", tinyleaf=files)
    packages: Table = {"system-packages": {"apt": ["git"]}} if named else {}
    run = run_farm(tiny_farm(tmp_path / "farm", index, {"tinyleaf": packages}))
    outcome = run.outcomes["tinyleaf"]
    assert run.states == {"tinyleaf": "built"}, outcome.error
    assert tuple(run.record("tinyleaf").warnings) == outcome.warnings
    if named:
        assert outcome.warnings == ()
        return
    (warning,) = outcome.warnings
    assert warning.startswith(
        "the build called git (/usr/bin/git), which its key does not hold, and went on without: git: "
    )
    assert '[system-packages] apt = ["git"]; then inv recipe.lock tinyleaf' in warning
    assert warning.endswith("a source holds no repository, so what names its version there gets none")
