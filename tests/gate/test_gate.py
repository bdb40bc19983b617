"""The gate on real wheels: expectations of binaries, and a clean environment on this machine."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.archives import digest
from support.binaries import OPENBLAS, REFERENCE, SCIPY_OPENBLAS64, calls, elf
from support.farm import builds_of, make_farm, make_toolchain
from support.raised import only, raised
from support.wheels import make_wheel
from wheelfarm.build.engine import SilentListener
from wheelfarm.build.host_engine import Host
from wheelfarm.errors import ExpectationError, GateTestError
from wheelfarm.gate.check import Result
from wheelfarm.gate.clean_environment import CleanEnvironment, run_wheel_tests, system_libraries
from wheelfarm.gate.expectations import check_expectations
from wheelfarm.model import Name, PinnedWheel
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.build import Build

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
MACHINE = platform.machine()
"""What gcc builds for here."""
HERE = f"cp{PYTHON.replace('.', '')}-manylinux_{MACHINE}"


def build_with(root: Path, recipe: dict[str, Any], smoke: str | None = None) -> tuple[Build, Host]:
    files = {} if smoke is None else {"recipes/alpha/smoke.py": smoke}
    settings = make_farm(root / "farm", {"alpha": recipe}, files=files)
    builds = builds_of(settings, toolchains=[make_toolchain(HERE)])
    return builds["alpha"], Host(settings)


def tried_in(
    root: Path, build: Build, engine: Host, wheel: PinnedWheel, *run_with: PinnedWheel
) -> tuple[Result, ...]:
    """Test in a clean environment at `root/clean`."""
    environment = CleanEnvironment.of(build, wheel, run_with)
    return run_wheel_tests(
        build, environment, engine, root / "clean", log=root / "gate.log", listener=SilentListener()
    )


class TestExpectations:
    def checked(self, root: Path, expect: dict[str, Any], files: dict[str, bytes]) -> tuple[Result, ...]:
        build, _ = build_with(root, {"compilers": [], "expect": expect})
        tag = f"cp311-cp311-manylinux_2_28_{MACHINE}"
        return check_expectations(
            build, open_wheel(make_wheel(root, "alpha", "1.0", files, tag=tag)), {}, root
        )

    def wheel_with(
        self, library: str, symbols: tuple[str, ...], name: str = "libblas.so"
    ) -> dict[str, bytes]:
        extension = elf(calls(*symbols), needs=(name,))
        return {"alpha/ext.so": extension, f"alpha.libs/{name}": elf(library, soname=name)}

    def test_what_is_met_is_recorded(self, tmp_path: Path) -> None:
        files = self.wheel_with(OPENBLAS, ("dgemm_",), "libopenblas.so")
        expect = {"blas": "openblas", "interface": "lp64", "tests": False}
        assert self.checked(tmp_path, expect, files) == (
            Result(check="tests", expected="none inside", found="none inside"),
            Result(check="architecture", expected=MACHINE, found=MACHINE),
            Result(check="blas", expected="openblas", found="openblas"),
            Result(check="interface", expected="lp64", found="lp64"),
        )

    def test_a_test_suite_that_must_be_there(self, tmp_path: Path) -> None:
        suite = {"alpha/tests/test_a.py": b"pass"}
        (result,) = self.checked(tmp_path / "with", {"tests": True}, suite)
        assert str(result) == "tests: expected some inside, found 1 files, 4 bytes"
        error = only(lambda: self.checked(tmp_path / "without", {"tests": True}, {}), ExpectationError)
        assert error.what.endswith("tests: expected some inside, found none inside")

    def test_nothing_expected_is_nothing_checked(self, tmp_path: Path) -> None:
        assert self.checked(tmp_path, {}, {"alpha/tests/test_it.py": b""}) == ()

    def test_another_provider(self, tmp_path: Path) -> None:
        files = self.wheel_with(REFERENCE, ("dgemm_",))
        error = only(lambda: self.checked(tmp_path, {"blas": "openblas"}, files), ExpectationError)
        assert "blas: expected openblas, found reference" in error.what
        assert error.where == "recipes/alpha/recipe.toml: expect.blas"
        assert "dgemm_" in str(error.why)
        assert "inv wheel.inspect alpha-1.0-" in str(error.hint)

    def test_none_at_all(self, tmp_path: Path) -> None:
        error = only(lambda: self.checked(tmp_path, {"blas": "openblas"}, {}), ExpectationError)
        assert "found none" in error.what
        assert "no BLAS symbols" in str(error.why)

    def test_two_providers_are_one_too_many(self, tmp_path: Path) -> None:
        files = self.wheel_with(OPENBLAS, ("dgemm_",), "libopenblas.so")
        second = self.wheel_with(REFERENCE, ("dgemm_",), "libblas.so")
        files |= {name.replace("ext", "other"): content for name, content in second.items()}
        error = only(lambda: self.checked(tmp_path, {"blas": "openblas"}, files), ExpectationError)
        assert "found openblas, reference" in error.what

    def test_all_at_once(self, tmp_path: Path) -> None:
        files = self.wheel_with(SCIPY_OPENBLAS64, ("scipy_dgemm_64_",), "libscipy_openblas64_.so")
        files |= {"alpha/tests/test_it.py": b"12345", "alpha/conftest.py": b""}
        expect = {"blas": "reference", "interface": "lp64", "tests": False}
        errors = raised(lambda: self.checked(tmp_path, expect, files), ExpectationError)
        assert [error.what.partition(": ")[2] for error in errors] == [
            "tests: expected none inside, found 1 files, 5 bytes",
            "blas: expected reference, found openblas",
            "interface: expected lp64, found ilp64",
        ]
        assert "alpha/tests/test_it.py" in str(errors[0].why)


def test_what_no_wheel_may_rely_on() -> None:
    system = [
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/usr/lib64/libstdc++.so.6.0.30",
        "/lib64/ld-linux-x86-64.so.2",
    ]
    strange = ["/usr/lib/x86_64-linux-gnu/libopenblas.so.0", "/opt/libm-mine.so"]
    assert system_libraries([*system, *strange]) == strange


@pytest.mark.skipif(sys.platform != "linux", reason="the tests' libraries are ELF")
class TestCleanRoom:
    def tried(
        self,
        root: Path,
        code: str,
        *,
        smoke: str | None = None,
        more: str | None = None,
        time_limit: float | None = None,
    ) -> tuple[Result, ...]:
        test = {"imports": ["alpha"], "smoke": "smoke.py" if smoke else None, "time-limit": time_limit}
        said = {"test": {key: value for key, value in test.items() if value is not None}}
        build, engine = build_with(root, said, smoke)
        wheels = []
        for name, content in (("alpha", code), *((("beta", more),) if more is not None else ())):
            path = make_wheel(root, name, "1.0", {f"{name}.py": content})
            wheels.append(
                PinnedWheel(
                    name=Name(name), version="1.0", path=path, sha256=digest(path.read_bytes()), farm=True
                )
            )
        return tried_in(root, build, engine, *wheels)

    def test_imports_and_a_smoke_script(self, tmp_path: Path) -> None:
        smoke = "import alpha\nassert __name__ == '__main__'\nassert alpha.beta.X == 1\n"
        results = self.tried(tmp_path, "import beta\n", smoke=smoke, more="X = 1\n")
        assert [str(result) for result in results] == [
            f"imports (Python {PYTHON}): expected alpha, found alpha",
            f"smoke (Python {PYTHON}): expected passed, found passed",
        ]

    def test_what_is_not_given_is_not_there(self, tmp_path: Path) -> None:
        """Not even what the farm itself has installed."""
        error = only(lambda: self.tried(tmp_path, "import pytest\n"), GateTestError)
        assert error.why == "import alpha: ModuleNotFoundError: No module named 'pytest'"

    def test_the_environment_of_the_build_is_not_there(self, tmp_path: Path) -> None:
        code = "import os\nassert not [n for n in os.environ if n.startswith(('LD_', 'PIP_', 'UV_'))]\n"
        build, engine = build_with(tmp_path, {})
        environ = {
            **engine.settings.environ,
            "LD_LIBRARY_PATH": "/x",
            "PIP_INDEX_URL": "x",
            "PATH": os.environ["PATH"],
        }
        engine = replace(engine, settings=engine.settings.replace(environ=environ))
        path = make_wheel(tmp_path, "alpha", "1.0", {"alpha.py": code})
        wheel = PinnedWheel(name=Name("alpha"), version="1.0", path=path, sha256=digest(path.read_bytes()))
        (result,) = tried_in(tmp_path, build, engine, wheel)
        assert result.found == "alpha"

    def test_a_library_of_this_machine(self, tmp_path: Path) -> None:
        library = tmp_path / "libmine.so"
        library.write_bytes(elf("int mine(void) { return 1; }", soname="libmine.so"))
        code = f"import ctypes\nctypes.CDLL({str(library)!r})\n"
        error = only(lambda: self.tried(tmp_path, code), GateTestError)
        assert "uses libraries of this machine" in error.what
        assert error.where == f"{library}, Python {PYTHON}"

    @pytest.mark.parametrize(
        ("smoke", "why"),
        [
            ("raise SystemExit(3)", "smoke.py: SystemExit: 3"),
            ("assert 1 == 2, 'sums are wrong'", "smoke.py: AssertionError: sums are wrong"),
        ],
    )
    def test_a_smoke_script_that_fails(self, tmp_path: Path, smoke: str, why: str) -> None:
        error = only(lambda: self.tried(tmp_path, "", smoke=smoke), GateTestError)
        assert (error.why, error.log) == (why, tmp_path / "gate.log")

    def test_a_crash_gives_no_answer(self, tmp_path: Path) -> None:
        code = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
        error = only(lambda: self.tried(tmp_path, code), GateTestError)
        assert "does not install or test" in error.what

    def test_a_script_that_ends_the_process_has_not_passed(self, tmp_path: Path) -> None:
        error = only(lambda: self.tried(tmp_path, "import os\nos._exit(0)\n"), GateTestError)
        assert error.why == "the test ended without an answer"

    def test_a_script_that_ends_well_by_itself_has_passed(self, tmp_path: Path) -> None:
        results = self.tried(tmp_path, "", smoke="import sys\nsys.exit(0)\n")
        assert [result.check for result in results] == ["imports", "smoke"]

    def test_one_that_never_ends(self, tmp_path: Path) -> None:
        forever = "import time\ntime.sleep(60)\n"
        error = only(lambda: self.tried(tmp_path, forever, time_limit=2.0), GateTestError)
        assert "does not install or test" in error.what

    def test_another_wheel_than_the_pinned_one_is_not_installed(self, tmp_path: Path) -> None:
        build, engine = build_with(tmp_path, {})
        path = make_wheel(tmp_path, "alpha", "1.0")
        wheel = PinnedWheel(name=Name("alpha"), version="1.0", path=path, sha256=digest(b"another"))
        error = only(lambda: tried_in(tmp_path, build, engine, wheel), GateTestError)
        assert "ash mismatch" in str(error.log and error.log.read_text())
