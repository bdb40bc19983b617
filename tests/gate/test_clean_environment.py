"""Clean environments on this machine: real wheels, imports, smoke scripts and libraries of the system."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.archives import digest
from support.binaries import elf
from support.farm import HERE, builds_of, make_farm, make_toolchain
from support.raised import only
from support.wheels import make_wheel
from wheelfarm.build.engine import SilentListener
from wheelfarm.build.host_engine import Host
from wheelfarm.errors import ExpectationError, GateTestError, RecipeError
from wheelfarm.gate.clean_environment import (
    CleanEnvironment,
    _cpu_dispatch,
    check_gil,
    is_for_one_python,
    run_wheel_tests,
    supported_pythons,
    system_libraries,
    write_environment,
)
from wheelfarm.gate.inside import driver
from wheelfarm.model import Name, PinnedWheel, Python
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from wheelfarm.gate.check import Result
    from wheelfarm.plan.build import Build

slow = pytest.mark.slow
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = tuple(Python.parse(text) for text in ("3.9", "3.10", "3.11", "3.12", "3.13", "3.13t", "3.14t"))
NATIVE = "manylinux_2_28_x86_64"
INTERPRETERS = sorted({Path(sys.executable), *(path for path in [Path("/usr/bin/python3")] if path.exists())})


@pytest.mark.parametrize(
    ("tag", "requires_python", "expected", "one"),
    [
        (f"cp311-cp311-{NATIVE}", "", "3.11", True),
        (f"cp313-cp313t-{NATIVE}", "", "3.13t", True),
        (f"cp311.cp312-cp311.cp312-{NATIVE}", "", "3.11 3.12", True),
        (f"cp311-abi3-{NATIVE}", "", "3.11 3.12 3.13", False),
        (f"cp39-abi3-{NATIVE}", ">=3.10", "3.10 3.11 3.12 3.13", False),
        (f"cp39-abi3-{NATIVE}", ">=3.11.4,<3.13", "3.11 3.12", False),
        ("py3-none-any", "", "3.9 3.10 3.11 3.12 3.13 3.13t 3.14t", False),
        ("py2.py3-none-any", ">=3.13", "3.13 3.13t 3.14t", False),
        ("py312-none-any", "", "3.12 3.13 3.13t 3.14t", False),
        (f"py3-none-{NATIVE}", "<3.10", "3.9", False),
        ("py2-none-any", "", "", False),
    ],
)
def test_the_pythons_of_a_wheel(
    tmp_path: Path, tag: str, requires_python: str, expected: str, *, one: bool
) -> None:
    wheel = open_wheel(make_wheel(tmp_path, "alpha", "1.0", tag=tag, requires_python=requires_python))
    assert " ".join(map(str, supported_pythons(wheel, PYTHONS))) == expected
    assert is_for_one_python(wheel) is one
    assert supported_pythons(wheel, ()) == ()


def test_a_python_below_a_symbolic_link_owns_what_is_there(tmp_path: Path) -> None:
    """As in manylinux images, where /opt/python/cp311-cp311 is one, and the kernel tells real paths."""
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real")
    assert driver.with_real_paths(f"{link}/lib") == (f"{link}/lib", f"{tmp_path.resolve()}/real/lib")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("python", INTERPRETERS, ids=lambda path: path.parts[1])
def test_a_library_of_the_system(tmp_path: Path, python: Path) -> None:
    # gcc brings it, and no wheel may rely on it.
    smoke = 'import ctypes\nctypes.CDLL("libgomp.so.1")\n'
    manifest = {"environment": {}, "imports": [], "smoke": "smoke.py", "cpu": False}
    write_environment(tmp_path / "clean", [], manifest, time_limit=60.0)
    (tmp_path / "clean" / "smoke.py").write_text(smoke)
    finished = subprocess.run(
        [python, "-I", tmp_path / "clean" / "enter.py", tmp_path / "clean", str(shutil.which("uv"))],
        check=True,
        input="nonce:\n",
        stdout=subprocess.PIPE,
        text=True,
    )
    result = json.loads(finished.stdout.splitlines()[-1].removeprefix("nonce:"))["result"]
    assert result["smoke"] == "passed"
    assert [Path(path).name.partition(".")[0] for path in system_libraries(result["outside"])] == ["libgomp"]


@pytest.mark.parametrize(
    ("features", "found"),
    [
        ({"baseline": ["X86_V2"], "dispatch": ["X86_V3", "X86_V4"]}, "X86_V3 X86_V4"),
        # What all code uses needs no dispatch.
        ({"baseline": ["X86_V2", "X86_V3"], "dispatch": ["X86_V4"]}, "X86_V3 X86_V4"),
        ({"baseline": ["X86_V2"], "dispatch": ["X86_V4"]}, None),
        ({"baseline": ["X86_V2"], "dispatch": ["X86_V3", "X86_V4", "AVX512_ICL"]}, None),
        (None, None),
    ],
)
def test_features_that_are_used_where_they_are(
    tmp_path: Path, features: dict[str, list[str]] | None, found: str | None
) -> None:
    expect = {"cpu-dispatch": ["X86_V3", "X86_V4"]}
    build = builds_of(make_farm(tmp_path, {"alpha": {"compilers": ["c"], "expect": expect}}))["alpha"]
    (check,) = _cpu_dispatch(build, features)
    assert check.ok is (found is not None)
    if found:
        assert check.result.found == found


def test_what_no_wheel_may_rely_on() -> None:
    system = [
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/usr/lib64/libstdc++.so.6.0.30",
        "/lib64/ld-linux-x86-64.so.2",
    ]
    strange = ["/usr/lib/x86_64-linux-gnu/libopenblas.so.0", "/opt/libm-mine.so"]
    assert system_libraries([*system, *strange]) == strange


@pytest.mark.skipif(sys.platform != "linux", reason="the tests' libraries are ELF")
class TestCleanEnvironment:
    def run(
        self,
        root: Path,
        code: str,
        *,
        smoke: str | None = None,
        beta: str | None = None,
        files: dict[str, str] | None = None,
        skip: dict[str, str] | None = None,
        environ: dict[str, str] | None = None,
        sha256: str | None = None,
    ) -> tuple[Result, ...]:
        """Test a wheel of alpha with this code, beside one of beta where that has code."""
        script = "smoke.py" if smoke else None
        test = {"imports": None if skip else ["alpha"], "smoke": script, "skip-imports": skip}
        recipe = {"test": {key: value for key, value in test.items() if value is not None}}
        scripts = {} if smoke is None else {"recipes/alpha/smoke.py": smoke}
        settings = make_farm(root / "farm", {"alpha": recipe}, files=scripts)
        build = builds_of(settings, toolchains=[make_toolchain(HERE)])["alpha"]
        wheels = []
        for name, content in (("alpha", code), *((("beta", beta),) if beta is not None else ())):
            path = make_wheel(root, name, "1.0", {f"{name}.py": content, **(files or {})})
            found = digest(path.read_bytes() if sha256 is None else sha256.encode())
            wheels.append(PinnedWheel(name=Name(name), version="1.0", path=path, sha256=found, farm=True))
        engine = Host(settings.replace(environ={**settings.environ, **(environ or {})}))
        return run_wheel_tests(
            build,
            CleanEnvironment.of(build, wheels[0], tuple(wheels[1:])),
            engine,
            root / "clean",
            log=root / "gate.log",
            listener=SilentListener(),
        )

    def test_imports_and_a_smoke_script(self, tmp_path: Path) -> None:
        smoke = "import alpha, sys\nassert __name__ == '__main__'\nassert alpha.beta.X == 1\nsys.exit(0)\n"
        results = self.run(tmp_path, "import beta\n", smoke=smoke, beta="X = 1\n")
        assert [str(result) for result in results] == [
            f"imports (Python {PYTHON}): expected alpha, found alpha",
            f"smoke (Python {PYTHON}): expected passed, found passed",
        ]

    def test_the_environment_of_the_build_is_not_there(self, tmp_path: Path) -> None:
        code = "import os\nassert not [n for n in os.environ if n.startswith(('LD_', 'PIP_', 'UV_'))]\n"
        environ = {"LD_LIBRARY_PATH": "/x", "PIP_INDEX_URL": "x", "PATH": os.environ["PATH"]}
        (result,) = self.run(tmp_path, code, environ=environ)
        assert result.found == "alpha"

    def test_a_library_of_this_machine(self, tmp_path: Path) -> None:
        library = next(Path("/usr/lib").glob("*-linux-gnu/libacl.so.1"), Path("/usr/lib64/libacl.so.1"))
        code = f"import ctypes\nctypes.CDLL({str(library)!r})\n"
        error = only(lambda: self.run(tmp_path, code), GateTestError)
        assert "uses libraries of this machine" in error.what
        assert error.where == f"{library.resolve()}, Python {PYTHON}"

    @pytest.mark.parametrize("module", ["_tkinter", "_crypt"])
    def test_a_library_of_the_standard_library_is_none_of_the_wheel(
        self, tmp_path: Path, module: str
    ) -> None:
        pytest.importorskip(module)
        (result,) = self.run(tmp_path, f"import {module}\n")
        assert result.found == "alpha"

    def test_a_library_of_a_user_is_not_there(self, tmp_path: Path) -> None:
        library = tmp_path / "libmine.so"
        library.write_bytes(elf("int mine(void) { return 1; }", soname="libmine.so"))
        code = f"import ctypes\nctypes.CDLL({str(library)!r})\n"
        error = only(lambda: self.run(tmp_path, code), GateTestError)
        assert f"{library}: cannot open shared object file" in str(error.why)

    @pytest.mark.parametrize(
        ("code", "smoke", "why"),
        [
            # Not even what the farm itself has installed is there.
            ("import pytest\n", None, "import alpha: ModuleNotFoundError: No module named 'pytest'"),
            ("", "raise SystemExit(3)", "smoke.py: SystemExit: 3"),
            ("", "assert 1 == 2, 'sums are wrong'", "smoke.py: AssertionError: sums are wrong"),
        ],
    )
    def test_a_test_that_fails(self, tmp_path: Path, code: str, smoke: str | None, why: str) -> None:
        error = only(lambda: self.run(tmp_path, code, smoke=smoke), GateTestError)
        assert (error.why, error.log) == (why, tmp_path / "gate.log")

    def test_an_import_package_that_is_skipped(self, tmp_path: Path) -> None:
        skip = {"alpha": "it draws on a screen"}
        results = self.run(tmp_path, "import no_screen\n", skip=skip, files={"alpha_core.py": ""})
        assert [str(result) for result in results] == [
            f"imports (Python {PYTHON}): expected alpha_core, found alpha_core",
            f"imports (Python {PYTHON}): expected alpha, found not imported: it draws on a screen",
        ]

    def test_a_skipped_import_that_names_no_module(self, tmp_path: Path) -> None:
        error = only(lambda: self.run(tmp_path, "", skip={"alpa": "typing error"}), RecipeError)
        assert error.what == "alpa is no import package of alpha-1.0-py3-none-any.whl"
        assert error.where == "recipes/alpha/recipe.toml: test.skip-imports.alpa"
        assert error.hint == "did you mean 'alpha'?"

    @pytest.mark.parametrize("where", ["alpha.py", pytest.param("forge.pth", marks=slow), "sitecustomize.py"])
    def test_a_wheel_cannot_answer_for_the_gate(self, tmp_path: Path, where: str) -> None:
        result = {"imported": ["alpha"], "smoke": "passed", "error": None, "outside": [], "gil": []}
        answers = [
            f"\nwheelfarm-gate: {json.dumps(result)}\n",
            json.dumps({"result": result, "returncode": 0}) + "\n",
        ]
        code = f"import os; [os.write(n, {''.join(answers).encode()!r}) for n in (1, 2)]; os._exit(0)\n"
        files = {where: code, "alpha.py": code if where == "alpha.py" else ""}
        error = only(
            lambda: self.run(tmp_path, files["alpha.py"], files=files, smoke="assert 0"), GateTestError
        )
        step = "import alpha" if where == "alpha.py" else ".pth files and sitecustomize"
        assert str(error.why).startswith(f"{step}: the process ended with exit code 0 before the test came")

    def test_another_wheel_than_the_pinned_one_is_not_installed(self, tmp_path: Path) -> None:
        error = only(lambda: self.run(tmp_path, "", sha256="another"), GateTestError)
        assert "ash mismatch" in str(error.log and error.log.read_text())


# As CPython 3.13 prints it (Python/import.c).
GIL: Final = (
    "The global interpreter lock (GIL) has been enabled to load module 'alpha._ext', which has not declared "
    "that it can run safely without the GIL. To override this behavior and keep the GIL disabled (at your "
    "own risk), run with PYTHON_GIL=0 or -Xgil=0."
)
EXTENSION: Final = """
#include <Python.h>
static PyModuleDef_Slot slots[] = {
#ifdef SAFE
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext", NULL, 0, NULL, slots};
PyMODINIT_FUNC PyInit__ext(void) { return PyModuleDef_Init(&module); }
"""
FREE_THREADED: Final = shutil.which("python3.13t")


@slow
class TestEditedMetadata:
    """An installer refuses what the environment does not satisfy, before anything is imported."""

    def run(self, root: Path, *beside: str, metadata: dict[str, Any]) -> tuple[Result, ...]:
        settings = make_farm(root / "farm", {"alpha": {"metadata": metadata}})
        build = builds_of(settings, toolchains=[make_toolchain(HERE)])["alpha"]
        wheels = []
        for name, version in (("alpha", build.version), *(("beta", version) for version in beside)):
            path = make_wheel(root, name, version, requires=["beta>=2"] if name == "alpha" else [])
            found = digest(path.read_bytes())
            wheels.append(PinnedWheel(name=Name(name), version=version, path=path, sha256=found))
        environment = CleanEnvironment.of(build, wheels[0], tuple(wheels[1:]))
        log, listener = root / "gate.log", SilentListener()
        return run_wheel_tests(build, environment, Host(settings), root / "clean", log=log, listener=listener)

    def test_what_is_installed_satisfies_it(self, tmp_path: Path) -> None:
        metadata = {"local-version": "team.1", "requires": {"add": ["beta>=2"]}}
        (result,) = self.run(tmp_path, "2.1+team.3", metadata=metadata)
        assert result.found == "alpha"

    @pytest.mark.parametrize("beside", [("1.9",), ()])
    def test_what_is_installed_does_not(self, tmp_path: Path, beside: tuple[str, ...]) -> None:
        call = partial(self.run, tmp_path, *beside, metadata={"requires": {"add": ["beta>=2"]}})
        error = only(call, GateTestError)
        assert "does not install" in error.what
        assert "beta>=2" in (error.why or "")
        assert (error.hint or "").startswith("metadata.requires edits what it requires")

    def test_without_edits_the_recipe_is_not_to_blame(self, tmp_path: Path) -> None:
        assert only(lambda: self.run(tmp_path, metadata={}), GateTestError).hint is None


class TestGil:
    def environment(
        self, root: Path, allow: dict[str, str], *, target: str = HERE, files: dict[str, bytes | str]
    ) -> tuple[Build, CleanEnvironment, Host]:
        recipe = {"compilers": ["c"], "expect": {"allow": allow}}
        settings = make_farm(root / "farm", {"alpha": recipe})
        build = builds_of(settings, toolchains=[make_toolchain(target)])["alpha"]
        python = target.partition("-")[0]
        tag = f"{python.removesuffix('t')}-{python}-manylinux_2_17_x86_64"
        path = make_wheel(root, "alpha", "1.0", {"alpha/__init__.py": "", **files}, tag=tag)
        wheel = PinnedWheel(name=Name("alpha"), version="1.0", path=path, sha256=digest(path.read_bytes()))
        return build, CleanEnvironment.of(build, wheel), Host(settings)

    def test_the_interpreter_names_a_module_that_enables_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        modules, shown = list[str](), list[str]()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            monkeypatch.setattr(warnings, "showwarning", lambda message, *_: shown.append(str(message)))
            driver.note_gil(modules)
            warnings.warn(GIL, RuntimeWarning, stacklevel=1)
            warnings.warn_explicit("the sum overflows", UserWarning, "alpha.py", 1)
        assert modules == ["alpha._ext"]
        assert shown == [GIL, "the sum overflows"]

    def test_a_module_of_another_wheel_is_none_of_this_one(self, tmp_path: Path) -> None:
        _, environment, _ = self.environment(tmp_path, {}, files={})
        assert list(check_gil(environment, [])) == []
        assert list(check_gil(environment, ["beta._ext"])) == []
        (check,) = check_gil(environment, ["alpha._ext"])
        assert not check.ok
        assert check.result.found == "1: alpha/_ext"
        assert check.hint.startswith("declare Py_mod_gil, ")

    def test_a_recipe_allows_it_and_most_pythons_do_not_need_that(self, tmp_path: Path) -> None:
        allow = {"gil: alpha/_e*": "its state is global", "executable-stack": "no concern of this test"}
        _, environment, _ = self.environment(tmp_path, allow, files={})
        assert list(check_gil(environment, ["alpha._ext"])) == []
        assert list(check_gil(environment, [])) == []

    @slow
    @pytest.mark.free_threaded
    @pytest.mark.parametrize("safe", [False, True])
    def test_a_free_threaded_python(self, tmp_path: Path, *, safe: bool) -> None:
        words = [str(FREE_THREADED), "-c", "import sysconfig; print(sysconfig.get_path('include'))"]
        include = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        flags = (f"-I{include}", *(["-DSAFE"] if safe else []))
        files: dict[str, bytes | str] = {
            "alpha/__init__.py": "import alpha._ext\n",
            "alpha/_ext.so": elf(EXTENSION, flags=flags),
        }
        target = "cp313t-manylinux_x86_64"
        build, environment, engine = self.environment(tmp_path, {}, target=target, files=files)

        def run() -> tuple[Result, ...]:
            log, listener = tmp_path / "gate.log", SilentListener()
            clean = tmp_path / "clean"
            return run_wheel_tests(build, environment, engine, clean, log=log, listener=listener)

        if safe:
            assert run()
        else:
            error = only(run, ExpectationError)
            assert error.what.endswith("gil: expected none, found 1: alpha/_ext")
