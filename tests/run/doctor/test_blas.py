"""BLAS: real libraries, real pkg-config files of which some lie, and programs that are really linked."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.doctor import make_setup
from wheelfarm.run.doctor.blas import check_blas, check_netlib, find_blas, system_blas
from wheelfarm.run.doctor.check import Status
from wheelfarm.wheels.blas import Provider

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="links ELF files with gcc")
needs_pkg_config = pytest.mark.slow
"""A new machine has none: the session of slow tests runs where it is installed."""

REFERENCE = "void dgemm_(void) {} void dgetrf_(void) {} void cblas_dgemm(void) {}"
OPENBLAS = (
    f"{REFERENCE} void openblas_get_config(void) {{}}\n"
    'const char *texts[] = {"DGEMM ", "DTRSM ", "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH"};'
)


class Machine:
    """Libraries in a directory, and what pkg-config says of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env: Mapping[str, str] = {"PATH": os.environ["PATH"], "PKG_CONFIG_LIBDIR": str(root)}

    def library(self, name: str, source: str) -> Path:
        path = self.root / f"lib{name}.so"
        words = ["cc", "-shared", "-fPIC", f"-Wl,-soname,{path.name}", "-x", "c", "-", "-o", str(path)]
        subprocess.run(words, input=source, text=True, check=True)
        return path

    def config(self, name: str, version: str, libs: str) -> None:
        text = f"Name: {name}\nDescription: BLAS\nVersion: {version}\nLibs: {libs}\n"
        (self.root / f"{name}.pc").write_text(text)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@needs_pkg_config
def test_a_file_that_names_no_library_lies(machine: Machine) -> None:
    machine.config("openblas", "0.3.30", f"-L{machine.root} -lopenblas_that_is_not_there")
    (check,) = system_blas(machine.env)
    assert check.status is Status.WARNING
    assert check.finding == "pkg-config has openblas 0.3.30, and no program links with its flags"
    assert check.command == f"correct or remove {machine.root}/openblas.pc"
    assert any("openblas_that_is_not_there" in line for line in check.details)


@needs_pkg_config
def test_a_file_that_leads_to_another_implementation_lies(machine: Machine) -> None:
    path = machine.library("blas", REFERENCE)
    machine.config("openblas", "0.3.30", f"-L{machine.root} -lblas")
    (check,) = system_blas(machine.env)
    assert check.status is Status.WARNING
    assert check.finding == f"pkg-config has openblas 0.3.30, and the linker takes reference ({path})"


@needs_pkg_config
def test_a_file_of_another_version_lies(machine: Machine) -> None:
    machine.library("openblas", OPENBLAS)
    machine.config("openblas", "0.3.30", f"-L{machine.root} -lopenblas")
    (check,) = system_blas(machine.env)
    assert check.status is Status.WARNING
    assert check.finding == "pkg-config has openblas 0.3.30, and the linker takes OpenBLAS 0.3.21"


@needs_pkg_config
def test_files_that_are_right_name_the_library_that_is_linked(machine: Machine) -> None:
    path = machine.library("openblas", OPENBLAS)
    machine.config("openblas", "0.3.21", f"-L{machine.root} -lopenblas")
    # `blas` may be any: the administrator chooses.
    for name in ("blas", "cblas", "lapack"):
        machine.config(name, "3.11", f"-L{machine.root} -lopenblas")
    (check,) = system_blas(machine.env)
    assert check.status is Status.OK
    assert check.finding == f"pkg-config and the linker agree: OpenBLAS 0.3.21 ({path})"
    assert [line.partition(" ")[0] for line in check.details] == ["openblas", "blas", "cblas", "lapack"]


@needs_pkg_config
def test_the_linked_library_is_found_behind_a_link(machine: Machine) -> None:
    """As Debian's alternatives do: libblas.so is whatever somebody chose."""
    path = machine.library("openblas", OPENBLAS)
    (machine.root / "libblas.so").symlink_to(path.name)
    machine.config("blas", "3.11", f"-L{machine.root} -lblas")
    (found,) = find_blas(machine.env)
    assert found.blas is not None
    assert (found.blas.provider, found.lie) == (Provider.OPENBLAS, None)
    assert found.blas.libraries == (str(path),)


def test_without_any_file_the_farm_needs_none(machine: Machine) -> None:
    (check,) = system_blas(machine.env)
    assert (check.status, check.finding) == (Status.OK, "pkg-config finds none, and the farm needs none")


BLAS_USER = {"alpha": {"blas": True, "compilers": ["c"]}}


def test_a_machine_without_pkg_config(tmp_path: Path) -> None:
    setup = make_setup(tmp_path, BLAS_USER, programs={"apt-get": "exit 0"})
    ours, system = check_blas(setup)
    assert (ours.status, "links no BLAS" in ours.finding) == (Status.OK, True)
    assert (system.status, system.command) == (Status.WARNING, "apt-get install pkgconf")


def test_no_recipe_with_blas_no_check(tmp_path: Path) -> None:
    assert [*check_blas(make_setup(tmp_path))] == []


@pytest.mark.parametrize(("user", "status"), [(1000, Status.FAULT), (0, Status.WARNING)])
def test_netlib_that_is_missing_stops_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, status: Status
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    setup = make_setup(tmp_path, BLAS_USER, programs={"apt-get": "exit 0"}, variant="netlib")
    check = check_netlib(setup, tmp_path)
    assert (check.status, check.command) == (status, "apt-get install libblas-dev liblapack-dev")
    assert check.finding.startswith("there is no netlib blas here")


def test_another_library_under_the_name_of_netlib_is_a_fault_for_root_too(tmp_path: Path) -> None:
    place = tmp_path / "usr" / "lib64"
    place.mkdir(parents=True)
    Machine(place).library("blas", OPENBLAS).rename(place / "libblas.so.3")
    check = check_netlib(make_setup(tmp_path, BLAS_USER, variant="netlib"), tmp_path)
    assert check.status is Status.FAULT
    assert check.finding == f"{place}/libblas.so.3 is OpenBLAS, not the netlib blas"
