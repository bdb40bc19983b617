"""The diagnoses of real logs of failed builds: each in tests/golden/logs is in the table."""

from __future__ import annotations

import textwrap

import pytest

from support.logs import FAILED_LOGS, failed_log
from wheelfarm.build.diagnosis.classify import classify
from wheelfarm.errors import BuildError

# Log, class, numbers of the relevant lines, likely cause.
LOGS: tuple[tuple[str, str, tuple[int, ...], str | None], ...] = (
    ("backend-unavailable", "other", (19,), "the build environment lacks tinybackend"),
    ("clang-macos-link", "link", (2, 4, 5, 6, 8), "no library that is linked defines _cblas_dgemm"),
    ("clang-old-caret", "compile", (6, 7, 8), None),
    ("cmake-blas", "configure", (11, 12), "CMake finds no BLAS"),
    ("cmake-compile", "compile", (16, 19, 20, 21, 22), None),
    ("cmake-compiler", "configure", (10, 11, 13, 15, 17, 19, 21), "the compiler itself does not work"),
    ("cmake-make", "compile", (17, 18, 19, 20), None),
    ("cmake-message", "configure", (11, 12, 14), None),
    ("cmake-package", "configure", (11, 12, 13, 15, 16, 17, 18), "CMake finds no HDF5X"),
    ("colours", "compile", (1, 2, 3), None),
    ("cython-name", "compile", (31, 34, 37, 38, 39, 40, 42), None),
    ("cython-pxd", "compile", (31, 34, 37, 38, 40), "Cython finds no numpyy.pxd"),
    ("disk-assembler", "out-of-disk", (2,), "the disk is full, or the quota is used up"),
    ("disk-compiler", "out-of-disk", (1,), "the disk is full, or the quota is used up"),
    ("disk-linker", "out-of-disk", (1,), "the disk is full, or the quota is used up"),
    ("disk-python", "out-of-disk", (2, 3), "the disk is full, or the quota is used up"),
    ("earlier-commands", "other", (9, 10, 11, 12, 13, 14, 15, 16), None),
    ("engine-conmon", "engine", (2,), "the container engine, its image or a container failed"),
    ("engine-docker-daemon", "engine", (1,), "the container engine, its image or a container failed"),
    ("engine-docker-stopped", "engine", (2,), "the container engine, its image or a container failed"),
    ("engine-gone", "engine", (13, 14), "the container engine, its image or a container failed"),
    ("engine-oci", "engine", (6,), "the container engine, its image or a container failed"),
    ("engine-podman-container", "engine", (1,), "the container engine, its image or a container failed"),
    ("gcc-header", "compile", (30, 32, 33, 34), "the header openblas/cblas.h is missing"),
    ("gcc-parallel", "compile", (25, 28, 29, 30), None),
    ("gcc-werror", "compile", (2, 5, 6, 7), "a warning counts as an error here"),
    ("gfortran-module", "compile", (19, 21, 23, 24, 25), "the Fortran module blas_interfaces.mod is missing"),
    ("gfortran-syntax", "compile", (19, 21, 23, 24, 25, 26, 28, 29, 30), None),
    ("interrupted", "interrupted", (3, 4), "it was interrupted"),
    ("link-import", "link", (2, 3, 4), "no library that is linked defines cblas_dgemm"),
    ("link-library", "link", (18, 20, 21), "the library openblasnone is missing"),
    ("link-macos-library", "link", (2, 4, 5), "the library openblas is missing"),
    ("link-undefined", "link", (18, 21, 22, 24), "no library that is linked defines dgemm_"),
    ("memory-137", "out-of-memory", (7,), "the memory ran out"),
    ("memory-bad-alloc", "out-of-memory", (1, 2), "the memory ran out"),
    ("memory-killed", "out-of-memory", (3, 5), "the memory ran out"),
    ("memory-python", "out-of-memory", (2, 3), "the memory ran out"),
    ("memory-virtual", "out-of-memory", (1,), "the memory ran out"),
    ("meson-choice", "settings", (9,), "the option blas cannot have this value"),
    ("meson-compiler-broken", "configure", (11, 12, 16), "the compiler itself does not work"),
    ("meson-compiler-missing", "configure", (11, 12, 13), "the compiler nosuchcc does not run"),
    ("meson-dependency", "configure", (17,), "Meson finds no openblas-none"),
    ("meson-option", "settings", (9,), "the build backend knows no option allow-noblas"),
    ("meson-python-option", "settings", (3,), "the build backend knows no option setup-argss"),
    ("msvc-compile", "compile", (4, 7, 8), None),
    ("msvc-header", "compile", (4,), "the header cblas.h is missing"),
    ("msvc-library", "link", (2, 4), "the library openblas.lib is missing"),
    ("msvc-link", "link", (2, 5, 6, 7), "no library that is linked defines cblas_dgemm"),
    ("network-git", "network", (2,), "a host could not be reached"),
    ("network-pip-fetch", "network", (2,), "a host could not be reached"),
    ("network-pip", "network", (2,), "a host could not be reached"),
    ("network-uv", "network", (2, 3, 8), "a host could not be reached"),
    ("pip-indented", "compile", (6, 8, 9, 10), "the header fftw3.h is missing"),
    ("provider-apt", "configure", (3,), "the image's system has no package libopenblas-devel"),
    ("python-after-retry", "other", (4, 5, 7), None),
    ("python-chained", "other", (3, 4, 25, 26), None),
    ("python-echo", "other", (9, 10, 11), None),
    ("python-module", "other", (18, 19), "the build environment lacks numpyy"),
    ("repair-again", "repair", (3,), "it is repaired already"),
    ("repair-dll", "other", (13, 14, 15), "the repair tool does not find answer.dll"),
    ("repair-dylib", "other", (3, 12), "the repair tool does not find libanswer.dylib"),
    ("repair-forbidden", "other", (5,), "the wheel uses symbols that its platform tag does not allow"),
    ("repair-library", "other", (13, 14, 15), "the repair tool does not find libfar.so"),
    ("repair-tag", "other", (5,), "the wheel uses symbols that are newer than its platform tag"),
    ("requirements-unmet", "configure", (3, 4, 5, 6, 7, 8, 9), "the build environment lacks numpyy"),
    ("requirements-unsolvable", "settings", (2, 3), "no set of wheels fits the requirements"),
    ("scikit-build-core-option", "settings", (2, 3), "the build backend knows no option cmake.defin"),
    ("setup-exit", "other", (1, 2), None),
    ("setuptools-cython", "compile", (5, 8, 9, 10, 11, 13), None),
    ("setuptools-gcc", "compile", (12, 13, 14), None),
    ("time-limit", "time-limit", (3, 4, 5, 6), "it takes longer than it may, or it hangs"),
)


class TestLogs:
    @pytest.mark.parametrize(("name", "failure", "where", "cause"), LOGS, ids=[log[0] for log in LOGS])
    def test_what_it_tells(self, name: str, failure: str, where: tuple[int, ...], cause: str | None) -> None:
        found = classify(BuildError("it failed"), failed_log(name), "build")
        assert (found.failure, found.where, found.cause) == (failure, where, cause)
        assert (found.hint is None) == (cause is None)

    @pytest.mark.parametrize("name", [log[0] for log in LOGS if log[0] != "colours"])
    def test_the_lines_are_those_of_the_log(self, name: str) -> None:
        text = failed_log(name).split("\n")
        found = classify(BuildError("it failed"), failed_log(name), "build")
        lines = textwrap.dedent("\n".join(text[number - 1].rstrip() for number in found.where)).split("\n")
        for shown, line in zip(found.lines, lines, strict=True):
            start, _, end = shown.partition(" … ")
            assert line.startswith(start)
            assert line.endswith(end)
        assert 1 <= len(found.lines) <= 12

    def test_each_is_in_the_table(self) -> None:
        assert sorted(path.stem for path in FAILED_LOGS.glob("*.log")) == sorted(log[0] for log in LOGS)

    def test_colours_are_taken_off(self) -> None:
        assert classify(BuildError("it failed"), failed_log("colours"), "build").lines == (
            "../beta.c:5:12: error: \u2018thing\u2019 undeclared",
            "    5 |     return thing;",
            "      |            ^~~~~",
        )

    def test_an_open_file_is_read_line_by_line(self) -> None:
        with (FAILED_LOGS / "gcc-parallel.log").open(encoding="utf-8") as file:
            found = classify(BuildError("it failed"), file, "build")
        assert found == classify(BuildError("it failed"), failed_log("gcc-parallel"), "build")
