"""The class of each error, of single lines, and of real logs of failed builds."""

from __future__ import annotations

import textwrap
import time
import traceback

import pytest

from support.logs import FAILED_LOGS, failed_log
from wheelfarm import errors
from wheelfarm.build.diagnosis import classify, failure_of
from wheelfarm.build.engine import Phase
from wheelfarm.build.error_patterns import Failure, match_line
from wheelfarm.errors import (
    BuildDirectoryError,
    BuildError,
    FarmError,
    GateTestError,
    GroupError,
    LockError,
    PatchError,
    ProcessError,
    ProviderError,
    RepairError,
    SettingsError,
)

BY_CLASS = {
    "settings": "UsageError SettingsError RecipeError CycleError WorkflowError LockError",
    "network": "NetworkError",
    "source": "SourceError HashError ArchiveError",
    "patch": "PatchError",
    "engine": "EngineError",
    "configure": "SystemPackageError ProviderError",
    "gate": "YieldError ChainError WheelError ExpectationError SplitError",
    "repair": "RepairError",
    "test": "GateTestError",
    "interrupted": "CancelledRunError",
    "backend": "BuildError ProcessError",
    "other": "FarmError BuildDirectoryError WheelhouseError RecordError ReproductionError ChainFailedError",
}

# Log, class, numbers of the relevant lines, likely cause.
LOGS: tuple[tuple[str, str, tuple[int, ...], str | None], ...] = (
    ("backend-unavailable", "configure", (19,), "the build environment lacks tinybackend"),
    ("clang-macos-link", "link", (2, 4, 5, 6, 8), "no library that is linked defines _cblas_dgemm"),
    ("clang-old-caret", "compile", (6, 7, 8), None),
    ("cmake-blas", "configure", (11, 12), "CMake finds no BLAS"),
    ("cmake-compile", "compile", (16, 19, 20, 21, 22), None),
    (
        "cmake-compiler",
        "configure",
        (10, 11, 13, 15, 17, 19, 21, 22, 23, 24, 25, 31),
        "the compiler itself does not work",
    ),
    ("cmake-make", "compile", (17, 18, 19, 20), None),
    ("cmake-message", "configure", (11, 12, 14), None),
    ("cmake-package", "configure", (11, 12, 13, 15, 16, 17, 18, 20, 21, 22, 23), "CMake finds no HDF5X"),
    (
        "cmake-policy",
        "configure",
        (8, 9, 11, 12, 13, 15),
        "CMake has no policies from before 3.5 since version 4",
    ),
    ("colours", "compile", (1, 2, 3), None),
    (
        *("cython-exceptions", "compile", (3, 6, 7, 10, 11, 12, 14)),
        "the source is written for Cython before version 3",
    ),
    ("cython-name", "compile", (31, 34, 37, 38, 39, 40, 42), None),
    ("cython-pxd", "compile", (31, 34, 37, 38, 40), "Cython finds no numpyy.pxd"),
    ("disk-assembler", "out-of-disk", (2,), "the disk is full, or the quota is used up"),
    ("disk-compiler", "out-of-disk", (1,), "the disk is full, or the quota is used up"),
    ("disk-linker", "out-of-disk", (1,), "the disk is full, or the quota is used up"),
    ("disk-python", "out-of-disk", (2, 3), "the disk is full, or the quota is used up"),
    ("earlier-commands", "backend", (9, 10, 11, 12, 13, 14, 15, 16), None),
    ("engine-conmon", "engine", (2,), "the container engine, its image or a container failed"),
    ("engine-docker-daemon", "engine", (1,), "the container engine, its image or a container failed"),
    ("engine-docker-stopped", "engine", (2,), "the container engine, its image or a container failed"),
    ("engine-gone", "engine", (13, 14), "the container engine, its image or a container failed"),
    ("engine-oci", "engine", (6,), "the container engine, its image or a container failed"),
    ("engine-podman-container", "engine", (1,), "the container engine, its image or a container failed"),
    ("gcc-header", "compile", (30, 32, 33, 34), "the header openblas/cblas.h is missing"),
    ("gcc-parallel", "compile", (25, 28, 29, 30), None),
    ("gcc-werror", "compile", (2, 5, 6, 7), "a warning counts as an error here"),
    (
        *("gfortran-mismatch", "compile", (19, 21, 23, 24, 25, 26, 27, 28)),
        "gfortran 10 and newer refuse arguments of another type or rank",
    ),
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
    ("meson-compiler-broken", "configure", (11, 12, 14, 15, 16, 18), "the compiler itself does not work"),
    ("meson-compiler-missing", "configure", (11, 12, 13), "the compiler nosuchcc does not run"),
    ("meson-dependency", "configure", (17,), "Meson finds no openblas-none"),
    ("meson-option", "settings", (9,), "the build backend knows no option allow-noblas"),
    ("meson-python-option", "settings", (3,), "the build backend knows no option setup-argss"),
    ("msvc-compile", "compile", (4, 7, 8), None),
    ("msvc-header", "compile", (4,), "the header cblas.h is missing"),
    ("msvc-library", "link", (2, 4), "the library openblas.lib is missing"),
    ("msvc-link", "link", (2, 5, 6, 7), "no library that is linked defines cblas_dgemm"),
    ("network-cmake", "configure", (12, 13, 15, 16, 17, 18, 19, 20, 21, 23, 25), None),
    ("network-git", "network", (2,), "a host could not be reached"),
    ("network-pip-fetch", "network", (2,), "a host could not be reached"),
    ("network-pip", "network", (2,), "a host could not be reached"),
    ("network-uv", "network", (2, 3, 8), "a host could not be reached"),
    ("numpy-2", "compile", (24, 25, 26), "the source does not support numpy 2"),
    ("pip-indented", "compile", (6, 8, 9, 10), "the header fftw3.h is missing"),
    ("provider-apt", "configure", (3,), "the image's system has no package libopenblas-devel"),
    ("python-after-retry", "backend", (4, 5, 7), None),
    ("python-chained", "backend", (3, 4, 25, 26), None),
    ("python-echo", "backend", (9, 10, 11), None),
    ("python-module", "configure", (18, 19), "the build environment lacks numpyy"),
    ("repair-again", "repair", (3,), "it is repaired already"),
    ("repair-dll", "backend", (13, 14, 15), "the repair tool does not find answer.dll"),
    ("repair-dylib", "backend", (3, 12), "the repair tool does not find libanswer.dylib"),
    ("repair-forbidden", "backend", (5,), "the wheel uses symbols that its platform tag does not allow"),
    ("repair-library", "backend", (13, 14, 15), "the repair tool does not find libfar.so"),
    (
        "repair-no-libc",
        "backend",
        (15, 16, 17),
        (
            "tornado/speedups.abi3.so links no library at all, also not the C library, so auditwheel does "
            "not know what it is for"
        ),
    ),
    ("repair-tag", "backend", (5,), "the wheel uses symbols that are newer than its platform tag"),
    ("requirements-unmet", "configure", (3, 4, 5, 6, 7, 8, 9), "the build environment lacks numpyy"),
    ("requirements-unsolvable", "settings", (2, 3), "no set of wheels fits the requirements"),
    ("scikit-build-core-option", "settings", (2, 3), "the build backend knows no option cmake.defin"),
    (
        *("scm-version", "backend", (19, 20)),
        "setuptools-scm finds no version: a source holds no repository",
    ),
    ("setup-exit", "backend", (1, 2), None),
    ("setuptools-cython", "compile", (5, 8, 9, 10, 11, 13), None),
    ("setuptools-gcc", "compile", (12, 13, 14), None),
    (
        *("setuptools-license", "backend", (82, 83, 84)),
        "the source states its license as an expression (PEP 639), which setuptools reads since version 77",
    ),
    (
        *("setuptools-pkg-resources", "configure", (19, 20)),
        "setuptools has no pkg_resources since version 82",
    ),
    ("time-limit", "time-limit", (3, 4, 5, 6), "it takes longer than it may, or it hangs"),
)


def test_a_header_of_a_known_library_names_its_packages() -> None:
    found = classify(BuildError("it failed"), failed_log("pip-indented"), "build")
    assert found.hint == (
        '[system-packages] apt = ["libfftw3-dev"], dnf = ["fftw-devel"] in the recipe; '
        "with Homebrew: brew install fftw"
    )


class TestErrors:
    @pytest.mark.parametrize(("failure", "names"), BY_CLASS.items())
    def test_by_itself(self, failure: str, names: str) -> None:
        for name in names.split():
            error: FarmError = getattr(errors, name)("it went wrong", why="so it is", hint="mend it")
            found = classify(error, None, "build")
            assert (name, found.failure) == (name, failure)
            assert (found.lines, found.where) == (("it went wrong", "so it is"), ())
            assert found.hint

    @pytest.mark.parametrize(
        ("phase", "failure"),
        [
            (Phase.START, "engine"),
            (Phase.ENVIRONMENT, "settings"),
            (Phase.PROVIDER, "configure"),
            (Phase.BUILD, "backend"),
            (Phase.ENVIRONMENT_REPORT, "gate"),
            (Phase.REPAIR, "repair"),
            ("test", "test"),
        ],
    )
    def test_a_process_error_belongs_to_its_phase(self, phase: str, failure: str) -> None:
        assert classify(ProcessError("it ended with 1"), "what it said\n", phase).failure == failure

    @pytest.mark.parametrize(
        ("error", "name", "failure"),
        [
            (RepairError("no"), "repair-library", "repair"),
            (ProviderError("no"), "provider-apt", "configure"),
            (GateTestError("no"), "link-import", "test"),
            (LockError("no"), "requirements-unmet", "settings"),
        ],
    )
    def test_a_class_of_ours_has_priority_over_the_log(
        self, error: FarmError, name: str, failure: str
    ) -> None:
        assert classify(error, failed_log(name), "").failure == failure

    @pytest.mark.parametrize(
        ("name", "failure"),
        [("disk-python", "out-of-disk"), ("network-uv", "network"), ("time-limit", "time-limit")],
    )
    def test_a_failure_of_the_machine_does_not(self, name: str, failure: str) -> None:
        assert classify(LockError("no"), failed_log(name), "environment").failure == failure

    def test_a_wheel_is_tested_without_a_network(self) -> None:
        assert classify(GateTestError("no"), failed_log("network-git"), "test").failure is Failure.TEST

    @pytest.mark.parametrize("name", ["network-git", "network-cmake", "python-after-retry"])
    def test_a_host_that_was_not_reached_may_be_the_cause(self, name: str) -> None:
        assert classify(BuildError("no"), failed_log(name), "build").wants_network

    @pytest.mark.parametrize(
        ("script", "wanted"), [("tools/download_source.py", True), ("tools/make.py", False)]
    )
    def test_a_script_of_a_meson_build_that_downloads_wants_it(self, script: str, *, wanted: bool) -> None:
        log = f"../meson.build:94:0: ERROR: Command `python {script}` failed with status 1.\n"
        assert classify(BuildError("no"), log, "build").wants_network is wanted

    @pytest.mark.parametrize("name", ["cmake-message", "gcc-parallel", "python-module"])
    def test_it_is_not_the_cause_of_other_errors(self, name: str) -> None:
        retried = "WARNING: Retrying after connection broken: Network is unreachable\n"
        plain = classify(BuildError("no"), failed_log(name), "build")
        tried = classify(BuildError("no"), retried + failed_log(name), "build")
        assert not plain.wants_network
        assert tried.wants_network is (name == "cmake-message")
        assert tried.lines == plain.lines

    def test_the_log_of_a_build_is_not_searched_for_a_patch(self) -> None:
        found = classify(PatchError("it does not apply"), failed_log("gcc-parallel"), "build")
        assert (found.failure, found.lines) == (Failure.PATCH, ("it does not apply",))

    def test_a_full_disk_while_a_build_directory_is_made(self) -> None:
        error = BuildDirectoryError("a file cannot be used", why="No space left on device")
        assert classify(error, None, "build").failure is Failure.OUT_OF_DISK

    def test_a_time_limit_without_a_log(self) -> None:
        error = ProcessError("gcc ran longer than its time limit of 5 s")
        assert classify(error, None, "build").failure is Failure.TIME_LIMIT
        assert classify(SettingsError("no time limit"), None, "build").failure is Failure.SETTINGS

    def test_the_end_of_the_output_is_used_without_a_log(self) -> None:
        found = classify(BuildError("no", why="x.c:1:2: error: no"), "", "build")
        assert (found.failure, found.lines, found.where) == (Failure.COMPILE, ("x.c:1:2: error: no",), ())

    @pytest.mark.parametrize(
        ("message", "failure"),
        [
            ("ModuleNotFoundError: No module named 'pkg_resources'", "configure"),
            ("pip._vendor.pyproject_hooks._impl.BackendUnavailable: Cannot import 'tool'", "backend"),
            ("LookupError: setuptools-scm was unable to detect version for /build/source.", "backend"),
            ("RuntimeError: no library:\n  tried libcore.so", "backend"),
            ("something unknown", "backend"),
        ],
    )
    def test_what_ends_a_build_has_a_class(self, message: str, failure: str) -> None:
        text = f'Traceback (most recent call last):\n  File "setup.py", line 1, in f\n{message}\n'
        assert classify(ProcessError("it ended with 1"), text, Phase.BUILD).failure == failure

    def test_the_first_of_a_group_counts(self) -> None:
        group = GroupError([PatchError("one"), SettingsError("two")])
        assert classify(group, None, "build").lines == ("one",)
        assert failure_of(group) is Failure.PATCH

    def test_the_class_from_the_log_counts_first(self) -> None:
        error = BuildError("no")
        assert failure_of(error) is Failure.OTHER
        error.failure = "compile"
        assert failure_of(GroupError([error, PatchError("two")])) is Failure.COMPILE


class TestPatterns:
    @pytest.mark.parametrize(
        "line",
        [
            "checking for error... no",
            "checking whether error: is a word... no",
            "cc -Werror -Wno-error=format -c error.c -o error.o",
            "Compiling C object libx.a.p/error.c.o",
            "error: 0",
            "errors: 0, warnings: 3",
            "0 errors",
            "x.c:3:4: warning: 'fatal error: x' is deprecated",
            "x.c:3:4: note: undefined reference to `x' comes of this",
            "x.obj : warning LNK4006: _x already defined",
            "cl : warning D9002 : ignoring unknown option",
            '    5 |     puts("x.c:1:2: error: no");',
            "      |     error: no",
            "_configtest.c:1:10: fatal error: omp.h: No such file or directory",
            "conftest.o: undefined reference to `floor'",
            "make[1]: *** [Makefile:91: all] Error 2",
            "ninja: build stopped: subcommand failed.",
            "error: subprocess-exited-with-error",
            "error: Command '['gcc', '-c']' returned non-zero exit status 1.",
            "error: command '/usr/bin/gcc' failed with exit code 1",
            "ERROR: Failed building wheel for numpy",
            "ERROR Backend subprocess exited when trying to invoke build_wheel",
            "cibuildwheel: error: Command ['python'] failed with code 1.",
            "Run-time dependency openblas found: NO (tried pkgconfig)",
            "Compiling test_network_error: done",
            "throw std::bad_alloc();",
            "exit code: 1370",
        ],
    )
    def test_no_error(self, line: str) -> None:
        found = match_line(line)
        assert found is None, found

    @pytest.mark.parametrize(
        ("line", "failure"),
        [
            (r"C:\x y\z.c:12:3: error: expected ';'", "compile"),
            ("/usr/bin/x86_64-linux-gnu-gcc-12: error: unrecognized command-line option '-fx'", "compile"),
            ("cc1plus.exe: fatal error: x.cpp: No such file or directory", "compile"),
            ("cl : Command line error D8021 : invalid numeric argument '/Wx'", "compile"),
            ('kernel.cu(12): error: identifier "x" is undefined', "compile"),
            ("x.f90(12): error #6404: This name does not have a type", "compile"),
            ("tmp.s:12: Error: no such instruction: `x'", "compile"),
            ("error[E0425]: cannot find value `x` in this scope", "compile"),
            ("x.c:1:2: internal compiler error: Segmentation fault", "compile"),
            ("configure: error: no acceptable C compiler found in $PATH", "configure"),
            ("error: command 'gcc' failed: No such file or directory", "configure"),
            ("error: Microsoft Visual C++ 14.0 or greater is required.", "configure"),
            ("unable to execute 'gcc': No such file or directory", "configure"),
            ("CMake Error: The source directory does not appear to contain CMakeLists.txt.", "configure"),
            ("meson: error: unrecognized arguments: --x", "settings"),
            ("../meson_options.txt:3:0: ERROR: Unknown type x.", "configure"),
            ('ERROR: Unknown options: "x"', "settings"),
            ("/usr/bin/ld: a.o: relocation R_X86_64_32 against `.data'; recompile with -fPIC", "link"),
            ("ld.lld: error: unable to find library -lx", "link"),
            ("/usr/bin/ld: a.o:(.bss+0x0): multiple definition of `x'; b.o:(.bss+0x0): first here", "link"),
            ("gmake[2]: *** [x.make:79: x.o] Killed", "out-of-memory"),
            ("/bin/sh: line 3: 1234 Killed                  cc -c x.c", "out-of-memory"),
            ("FAILED: [code=137] x.o", "out-of-memory"),
            ("# was ended by SIGKILL after 3.2 s", "out-of-memory"),
            ("x.cpp(1): fatal error C1060: compiler is out of heap space", "out-of-memory"),
            ("cp: error writing 'x': Disk quota exceeded", "out-of-disk"),
            ("ninja: build stopped: interrupted by user.", "interrupted"),
            ("make: *** No rule to make target 'x', needed by 'all'.  Stop.", "other"),
            ("exec /bin/sh: exec format error", "engine"),
        ],
    )
    def test_an_error(self, line: str, failure: str) -> None:
        found = match_line(line)
        assert found is not None
        assert found.failure == failure


class TestEdges:
    def test_a_carriage_return_is_no_part_of_a_line(self) -> None:
        text = "x.c:1:2: error: no\r\n    1 | x\r\n      | ^\r\n"
        assert classify(BuildError("x"), text, "build").lines[0] == "x.c:1:2: error: no"

    def test_the_output_of_a_success_is_ignored(self) -> None:
        done = f"{'':60}✓ 1.25s"
        for end in ("# ended with exit code 0 after 1.0 s", done):
            found = classify(BuildError("no"), f"x.c:1:2: error: no\n{end}\nthe rest\n", "build")
            assert (found.failure, found.lines, found.where) == (Failure.BACKEND, ("the rest",), (3,))

    def test_at_most_twelve_lines(self) -> None:
        text = "\n".join(f"x.o: undefined reference to `f{number}'" for number in range(100))
        found = classify(BuildError("no"), text, "build")
        assert found.where == tuple(range(1, 13))

    def test_the_last_lines_are_used_without_a_finding(self) -> None:
        text = "$ make\n# in /build\n" + "\n".join(f"line {number}" for number in range(20))
        found = classify(BuildError("no"), f"{text}\n# ended with exit code 1 after 2.0 s\n", "build")
        assert found.lines == tuple(f"line {number}" for number in range(12, 20))

    def test_a_message_at_the_end_of_the_log(self) -> None:
        for text in ("x.c:1:2: error: no", "Error compiling Cython file:", "x.f90:1:2:\n\nError: no"):
            assert classify(BuildError("no"), text, "build").failure is Failure.COMPILE

    def test_fortran_needs_a_position(self) -> None:
        assert classify(BuildError("no"), "Error: something else", "build").failure is Failure.BACKEND

    def test_a_traceback_that_is_cut_short(self) -> None:
        text = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n--- other output ---\nend'
        assert classify(BuildError("no"), text, "build").failure is Failure.BACKEND

    def test_an_empty_line_in_a_traceback(self) -> None:
        text = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    f()\n\nValueError: no\n'
        assert classify(BuildError("no"), text, "build").where == (2, 3, 5)

    def test_the_message_of_an_exception_is_whole(self) -> None:
        """A name that matters may stand at its end."""
        more = [f"    tried: /usr/lib{number}/libcore.so" for number in range(18)]
        message = [
            "RuntimeError: cannot find what pkg._ext needs",
            *more[:9],
            "",
            *more[9:],
            "  wanted: libcore",
        ]
        trace = ["Traceback (most recent call last):", '  File "tool.py", line 3, in f', "    g()", *message]
        after = ["ERROR Backend subprocess exited when trying to invoke build_wheel", "more output"]
        found = classify(BuildError("no"), "\n".join([*trace, *after]), "build")
        assert found.lines == (*trace[1:4], *more, "  wanted: libcore")

    def test_a_message_that_goes_on_without_indentation(self) -> None:
        text = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n'
        text += "ValueError: these are missing:\n- alpha\n- beta\n\nERROR Backend subprocess exited\n"
        lines = ("ValueError: these are missing:", "- alpha", "- beta")
        assert classify(BuildError("no"), text, "build").lines[1:] == lines
        text = text.replace("ValueError: these are missing:", "ValueError:")
        assert classify(BuildError("no"), text, "build").lines[1:] == ("ValueError:", *lines[1:])

    def test_exceptions_that_led_to_others_are_whole(self) -> None:
        frame = 'Traceback (most recent call last):\n  File "x.py", line {}, in f\n    f()\n'
        first = "LookupError: no library:\n  libfirst.so\n" + "  more\n" * 12 + "\n  libend.so\n"
        cause = "\nThe above exception was the direct cause of the following exception:\n\n"
        during = "\nDuring handling of the above exception, another exception occurred:\n\n"
        text = f"{frame.format(1)}{first}{cause}{frame.format(2)}KeyError: 'second'\n{during}"
        text += f"{frame.format(3)}RuntimeError: third\n    the name that matters\n"
        lines = [line.strip() for line in classify(BuildError("no"), text, "build").lines]
        expected = ["libfirst.so", "libend.so", "KeyError: 'second'", "the name that matters"]
        assert [line for line in lines if line in expected] == expected

    def test_an_exception_group(self) -> None:
        inner = ExceptionGroup("inner", [OSError("third")])
        members = [ValueError("first\n  libone.so"), TypeError("second"), inner]
        for member in members[:1]:
            with pytest.raises(ValueError, match="first"):
                raise member
        with pytest.raises(ExceptionGroup) as caught:
            raise ExceptionGroup("two wheels", members)
        for indent in ("", "  "):
            text = textwrap.indent("".join(traceback.format_exception(caught.value)), indent)
            lines = [line.lstrip(" |") for line in classify(BuildError("no"), text, "build").lines]
            expected = ["ExceptionGroup: two wheels (3 sub-exceptions)", "ValueError: first", "libone.so"]
            expected += ["TypeError: second", "OSError: third"]
            assert [line for line in lines if line in expected] == expected

    def test_an_error_of_meson_with_an_empty_line(self) -> None:
        message = "meson.build:3:0: ERROR: Problem encountered: no BLAS\n\n  set -Dblas=openblas\nor none\n"
        text = f"{message}\nA full log can be found at /build/meson-log.txt\nmore\n"
        lines = classify(BuildError("no"), text, "build").lines
        assert lines[1:] == ("  set -Dblas=openblas", "or none")

    def test_an_error_of_cmake_is_whole(self) -> None:
        message = "CMake Error at CMakeLists.txt:3 (message):\n" + "".join(
            f"  reason {number}\n\n" for number in range(11)
        )
        text = f"{message}\nCall Stack (most recent call first):\n  CMakeLists.txt:9 (f)\n"
        assert classify(BuildError("no"), text, "build").lines[-1] == "  reason 10"

    def test_a_duplicate_of_lower_rank_hides_nothing(self) -> None:
        text = "error: yes\nTraceback (most recent call last):\nerror: yes\nerror: no\n"
        assert classify(BuildError("no"), text, "build").lines == ("error: yes", "error: no")

    def test_lines_that_only_look_like_errors_give_no_advice(self) -> None:
        found = classify(BuildError("no"), "_configtest.c:1:10: fatal error: omp.h: No such file", "build")
        assert (found.cause, found.hint) == (None, None)

    @pytest.mark.parametrize(
        ("module", "cause", "edit"),
        [
            (
                "pkg_resources",
                "setuptools has no pkg_resources since version 82",
                '[build-requires] replace = { setuptools = "setuptools<81" }',
            ),
            ("pkg_resources.extern", "setuptools has no pkg_resources since version 82", "setuptools<81"),
            ("distutils.msvccompiler", "setuptools has no distutils.msvccompiler since version 74", "<74"),
            ("distutils", "Python has no distutils since version 3.12", 'add = ["setuptools"]'),
            ("numpy.distutils", "numpy has no numpy.distutils with Python 3.12 and newer", '"<3.12"'),
            ("numpy.distutils.core", "numpy has no numpy.distutils with Python 3.12", '"<3.12"'),
            (
                "Cython.Old",
                "Cython is in the build environment, in a version without Cython.Old",
                "replace =",
            ),
            ("a.b.c", "a is in the build environment, in a version without a.b.c", "replace = "),
            ("numpyy", "the build environment lacks numpyy", "inv recipe.lock"),
        ],
    )
    def test_a_missing_module(self, module: str, cause: str, edit: str) -> None:
        log = (
            'Traceback (most recent call last):\n  File "setup.py", line 1, in <module>\n'
            f"    import {module}\nModuleNotFoundError: No module named '{module}'\n"
        )
        found = classify(BuildError("it failed"), log, "build")
        assert str(found.cause).startswith(cause)
        assert edit in str(found.hint)

    def test_rust_prints_a_snippet(self) -> None:
        text = "error[E0425]: cannot find value `x`\n --> src/lib.rs:1:5\n  |\n1 | x\n  | ^\n"
        assert classify(BuildError("no"), text, "build").where == (1, 2, 3, 4)

    @pytest.mark.parametrize(
        "line",
        [
            "a/" * 5000 + ": error",
            "a-" * 5000 + "gcc error: ",
            " " * 10000 + "error: ",
            "error: Command '" * 1000,
            "\x1b[" + "0;" * 5000,
            "x.c:1:2: error: " + "^" * 5000 + " " * 5000 + "x",
            "(1" * 5000 + "): error",
            "Traceback (most recent call last):",
            '  File "' + "x" * 5000,
            "ERROR: Value for option " * 400,
        ],
    )
    def test_no_line_takes_long(self, line: str) -> None:
        began = time.process_time()
        classify(BuildError("no"), (line for _ in range(200)), "build")
        assert time.process_time() - began < 2

    def test_a_large_log_takes_a_time_in_proportion(self) -> None:
        text = "[1/2] cc -c x.c\nx.c:1:2: warning: nothing to see here\n    1 | int x;\n" * 5_000
        began = time.process_time()
        found = classify(BuildError("no"), text + "x.c:9:9: error: at last\n", "build")
        assert time.process_time() - began < 10
        assert found.where == (15_001,)


class TestLogs:
    @pytest.mark.parametrize(("name", "failure", "where", "cause"), LOGS, ids=[log[0] for log in LOGS])
    def test_what_it_tells(self, name: str, failure: str, where: tuple[int, ...], cause: str | None) -> None:
        found = classify(BuildError("it failed"), failed_log(name), "build")
        assert (found.failure, found.where, found.cause) == (failure, where, cause)
        assert (found.hint is None) == (cause is None)

        if name == "colours":
            return
        text = failed_log(name).split("\n")
        lines = textwrap.dedent("\n".join(text[number - 1].rstrip() for number in found.where)).split("\n")
        for shown, line in zip(found.lines, lines, strict=True):
            start, _, end = shown.partition(" … ")
            assert line.startswith(start)
            assert line.endswith(end)

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
