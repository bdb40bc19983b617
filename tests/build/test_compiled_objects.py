"""How the objects of a wheel were compiled: from the calls of real compilers, to the gate of real builds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zipfile import ZipFile

import pytest

from support.packages import tinyleaf
from support.tiny import run_farm, tiny_farm, tiny_index
from wheelfarm.build.compiler_cache import PROGRAM
from wheelfarm.build.inside import compiled_objects, compilers
from wheelfarm.errors import GroupError
from wheelfarm.system.machine import processor

if TYPE_CHECKING:
    from support.index import Index
    from support.tiny import Run
    from wheelfarm.errors import FarmError

slow = pytest.mark.slow
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the compilers are those of this machine")

CCACHE: Final = Path(sys.executable).with_name(PROGRAM)
SUFFIX: Final = f".cpython-{sys.version_info.major}{sys.version_info.minor}-x86_64-linux-gnu.so"
TWO: Final = {"one.c": "int one(void) { return 1; }\n", "two.c": "int two(void) { return 2; }\n"}


class Builder:
    """A build directory in which a shell calls the compilers."""

    def __init__(
        self,
        root: Path,
        ccache: Path | None = None,
        flags: dict[str, str] | None = None,
        *,
        profile: bool = False,
    ) -> None:
        self.root = root
        self.source = root / "source"
        self.source.mkdir()
        for name, text in TWO.items():
            (self.source / name).write_text(text)
        names = ["gcc", "g++", "ar", "gfortran"]
        compilers.main(str(ccache) if ccache else None, names, root, set(), flags, profile=profile)
        self.env = {**os.environ, "PATH": f"{root / 'compilers'}:{os.environ['PATH']}"}
        self.env |= {"CCACHE_DIR": str(root / "ccache"), "CCACHE_STATSLOG": str(root / "ccache.log")}

    def run(self, *lines: str) -> None:
        subprocess.run(["sh", "-ec", "\n".join(lines)], check=True, env=self.env, cwd=self.source)

    def report(
        self, monkeypatch: pytest.MonkeyPatch, *members: str, globs: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        monkeypatch.chdir(self.root)
        with ZipFile("built.whl", "w") as wheel:
            for member in members:
                wheel.writestr(member, "")
        compiled_objects.main(Path("built.whl"), Path("dist", "report.json"), globs)
        return dict(json.loads(Path("dist", "report.json").read_bytes()))


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


@pytest.mark.parametrize(
    ("lines", "objects"),
    [
        pytest.param(
            [
                "gcc -c -mavx2 one.c -o build/one.o",
                "gcc -c two.c",
                "gcc -shared build/one.o two.o -o _ext.so",
            ],
            {"": 1, "-mavx2": 1},
            id="objects",
        ),
        pytest.param(
            ["gcc -shared -march=native one.c two.c -o _ext.so"],
            {"-march=native": 2},
            id="at once",
            marks=slow,
        ),
        pytest.param(
            ["gcc -c -mfma one.c two.c", "ar rcs lib1.a one.o", "gcc -shared two.o -L. -l1 -o _ext.so"],
            {"-mfma": 2},
            id="static library",
        ),
        pytest.param(
            [
                "gcc -c one.c",
                "ar cr lib1.a one.o",
                "gcc -shared -Wl,--whole-archive,lib1.a,--no-whole-archive -o _ext.so",
            ],
            {"": 1},
            id="whole static library",
            marks=slow,
        ),
        pytest.param(
            [
                "printf '%s' '-c -mavx \"one.c\" -o \"one.o\"' >compile.rsp",
                "printf '%s\\n' -shared one.o -o _ext.so >link.rsp",
                "gcc @compile.rsp -O2; gcc @link.rsp; rm *.rsp",
            ],
            {"-mavx": 1},
            id="files of arguments",
        ),
        pytest.param(
            [
                "gcc -c -mavx2 one.c -o common.o; gcc -shared common.o -o other/_ext.so",
                "gcc -c one.c -o common.o; gcc -shared common.o -o pkg/_ext.so",
                "gcc -c -mfma one.c -o common.o; gcc -shared common.o -o another/_ext.so",
            ],
            {"": 1},
            id="an object that is compiled again",
            marks=slow,
        ),
        pytest.param(
            ["gcc -E -mavx2 one.c >one.i; gcc -c one.c; gcc --version; gcc -shared one.o -o _ext.so"],
            {"": 1},
            id="calls that compile nothing",
            marks=slow,
        ),
        pytest.param(
            ["gcc -c -mavx2 one.c; mv one.o renamed.o; gcc -shared renamed.o -o _ext.so"],
            None,
            id="renamed",
            marks=slow,
        ),
        pytest.param(
            ["printf '.text\\n' >a.S; gcc -c a.S; gcc -c -mavx2 one.c; gcc -shared a.o one.o -o _ext.so"],
            {"-mavx2": 1},
            id="assembly",
            marks=slow,
        ),
    ],
)
def test_the_objects_of_a_binary(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, lines: list[str], objects: dict[str, int] | None
) -> None:
    builder.run("mkdir build other pkg another", *lines)
    found = builder.report(monkeypatch, "pkg/_ext.so", "pkg/__init__.py")["objects"]
    assert found == ({"pkg/_ext.so": objects} if objects else {})


def test_the_compiler_says_what_options_come_to(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    builder.run(
        "gcc -shared -march=x86-64-v2 one.c -o a.so; gcc -shared -mavx512f -mno-fma two.c -o b.so",
        "gcc -shared -mprefer-vector-width=512 -mshstk one.c -o c.so",
    )
    features = builder.report(monkeypatch, "a.so", "b.so", "c.so")["features"]
    v2 = {"CRC32", "LAHF_SAHF", "POPCNT", "SSE3", "SSE4_1", "SSE4_2", "SSSE3"}
    assert set(features["-march=x86-64-v2"]) == v2
    assert {"AVX512F", "AVX2"} < set(features["-mavx512f -mno-fma"])
    assert features["-mprefer-vector-width=512 -mshstk"] == []


def test_options_that_the_compiler_does_not_take_are_left_out() -> None:
    found = compiled_objects.features({"-mno-such": "gcc", "-mavx": "gcc", "": "nowhere"}, {"-mno-such", ""})
    assert found == {}


@slow
def test_calls_at_the_same_time_do_not_mix(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    long = " ".join(f"-DNAME{number}={'x' * 200}" for number in range(100))

    def compile_one(number: int) -> None:
        builder.run(f"gcc -c -m{'avx' if number % 2 else 'fma'} {long} one.c -o {number}.o")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(compile_one, range(24)))
    builder.run("gcc -shared -nostdlib -Wl,-z,muldefs *.o -o _ext.so")
    found = builder.report(monkeypatch, "_ext.so")["objects"]
    assert found == {"_ext.so": {"-mavx": 12, "-mfma": 12}}


@slow
@pytest.mark.skipif(not CCACHE.exists(), reason="there is no ccache")
def test_a_hit_of_the_compiler_cache_is_recorded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = Builder(tmp_path, CCACHE)
    for _ in range(2):
        builder.run("rm -rf ../tmp/compiler-calls/*; gcc -c -mavx2 one.c; gcc -shared one.o -o _ext.so")
        assert builder.report(monkeypatch, "_ext.so")["objects"] == {"_ext.so": {"-mavx2": 1}}
    assert "direct_cache_hit" in (tmp_path / "ccache.log").read_text()


def test_a_call_runs_where_nothing_can_be_recorded(builder: Builder) -> None:
    builder.run("rm -r ../tmp/compiler-calls", "gcc -c one.c 2>errors", "test -f one.o -a ! -s errors")


def test_a_call_has_the_input_output_and_exit_code_of_the_compiler(builder: Builder) -> None:
    script = str(builder.root / "compilers" / "gcc")
    for words in (
        ["-x", "c", "-E", "-"],
        ["-dumpversion"],
        ["-c", "none.c"],
        ["-c", "@none"],
        ["-D", "a  b"],
    ):
        own, real = (
            subprocess.run(
                [gcc, *words], input=b"int a;\n", capture_output=True, check=False, cwd=builder.root
            )
            for gcc in (script, "/usr/bin/gcc")
        )
        assert (own.returncode, own.stdout, own.stderr) == (real.returncode, real.stdout, real.stderr)
    builder.run("gcc -g -O2 -c one.c -o own.o; /usr/bin/gcc -g -O2 -c one.c -o real.o; cmp own.o real.o")


@slow
def test_what_a_build_from_the_build_cache_does_not_compile_is_known(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (builder.root / "build").mkdir()
    (builder.root / compiled_objects.MARK).touch()
    builder.run("gcc -c -mavx2 one.c; gcc -c two.c; gcc -shared one.o two.o -o _ext.so")
    first = builder.report(monkeypatch, "_ext.so")
    builder.run("rm ../tmp/compiler-calls/*; gcc -c -mfma two.c; gcc -shared one.o two.o -o _ext.so")
    second = builder.report(monkeypatch, "_ext.so")
    assert first["objects"] == {"_ext.so": {"": 1, "-mavx2": 1}}
    assert second["objects"] == {"_ext.so": {"-mavx2": 1, "-mfma": 1}}
    assert "AVX2" in second["features"]["-mavx2"]


def test_damaged_calls_are_passed_over(tmp_path: Path) -> None:
    for number, text in enumerate(("", "9\0a\0b\0c\0", "x\0y\0z\0", "1\0", "2\0/a\0gcc\0-c\0b.c\0junk"), 1):
        (tmp_path / str(number)).write_text(text)
    (tmp_path / "notes").write_text("1\0a\0b\0c\0")
    calls = list(compiled_objects.read_calls(tmp_path))
    assert calls[-1] == ("/a", "gcc", ["-c", "b.c"])
    assert all("notes" not in call for call in calls)


SETUP: Final = """
import os
import shlex
import subprocess
from setuptools import Extension, setup

def module(name, *options, **more):
    macros = [("NAME", name), ("INIT", "PyInit_" + name)]
    more |= {"define_macros": macros, "extra_compile_args": [*options]}
    return Extension(f"tinyleaf.{name}", ["native/ext.c"], **more)

cc = shlex.split(os.environ.get("CC", "gcc"))
subprocess.run([*cc, "-c", "-O3", "-fPIC", "-mavx2", "native/fast.c", "-o", "fast.o"], check=True)
modules = {
    "native": module("native", "-O3", "-march=native"),
    "avx2": module("avx2", "-O3", "-mavx2"),
    "tuned": module("tuned", "-mtune=native"),
    "dispatched": module("dispatched", "-DDISPATCH", extra_objects=["fast.o"]),
    "attribute": module("attribute", "-DATTRIBUTE"),
}
setup(ext_modules=[modules[name] for name in os.environ["MODULES"].split()])
"""
EXT: Final = """
#include <Python.h>
#define STRING(name) #name
#define TEXT(name) STRING(name)
long fast(const int *values, int count);
#ifdef ATTRIBUTE
__attribute__((target("avx2")))
#endif
static long slow(const int *values, int count) {
    long sum = 0;
    for (int at = 0; at < count; at++) sum += values[at] * 3;
    return sum;
}
static PyObject *answer(PyObject *self, PyObject *args) {
    int values[] = {1, 2, 3, 4, 5, 6, 7, 8};
#ifdef DISPATCH
    if (__builtin_cpu_supports("avx2")) return PyLong_FromLong(fast(values, 8));
#endif
    return PyLong_FromLong(slow(values, 8));
}
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, TEXT(NAME), NULL, -1, methods};
PyMODINIT_FUNC INIT(void) { return PyModule_Create(&module); }
"""
FAST: Final = """
long fast(const int *values, int count) {
    long sum = 0;
    for (int at = 0; at < count; at++) sum += values[at] * 3;
    return sum;
}
"""


@pytest.fixture(scope="module")
def leaf_index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    files = tinyleaf() | {"setup.py": SETUP, "native/ext.c": EXT, "native/fast.c": FAST}
    return tiny_index(
        tmp_path_factory.mktemp("index"),
        tinyleaf=files | {"tinyleaf/__init__.py": "def built_against():\n    return 'none'\n"},
    )


def leaf(
    root: Path,
    index: Index,
    modules: str,
    expect: dict[str, Any],
    *,
    flags: str = "",
    cc: str = "gcc",
    cache: bool = True,
) -> Run:
    """A run of a farm with the package of all these modules."""
    environment = {"MODULES": modules, "CFLAGS": flags, "CC": cc}
    recipe = {"environment": environment, "expect": expect}
    settings = {"compiler-cache": cache}
    return run_farm(tiny_farm(root / "farm", index, {"tinyleaf": recipe}, settings=settings))


def errors_of(run: Run) -> list[FarmError]:
    error = run.error("tinyleaf")
    return list(error.errors) if isinstance(error, GroupError) else [error]


@slow
class TestBuilds:
    def test_code_above_the_baseline_is_refused_and_a_dispatch_is_not(
        self, tmp_path: Path, leaf_index: Index
    ) -> None:
        run = leaf(tmp_path, leaf_index, "native avx2 tuned dispatched attribute", {})
        found = {each.what.split(": ")[1]: each.what for each in errors_of(run)}
        assert found.keys() == {"instruction-set", "native-code"}
        assert "found 2: tinyleaf/avx2.cpython-" in found["instruction-set"]
        assert "(x86-64-v3, baseline x86-64: AVX, AVX2, XSAVE, " in found["instruction-set"]
        assert "; by -mavx2 for all of 1 object)" in found["instruction-set"]
        assert "found 1: tinyleaf/native.cpython-" in found["native-code"]
        assert "(-march=native for 1 of 1 object)" in found["native-code"]

    def test_what_keeps_the_baseline_is_stored_with_its_objects(
        self, tmp_path: Path, leaf_index: Index
    ) -> None:
        record = leaf(tmp_path, leaf_index, "dispatched attribute tuned", {}).record("tinyleaf")
        assert record.compiled.objects == {
            f"tinyleaf/attribute{SUFFIX}": {"": 1},
            f"tinyleaf/dispatched{SUFFIX}": {"": 1, "-mavx2": 1},
            f"tinyleaf/tuned{SUFFIX}": {"-mtune=native": 1},
        }
        assert "AVX2" in record.compiled.features["-mavx2"]
        notes = {each["check"]: each["found"] for each in record.gate_results}
        assert notes["native-tuning"] == f"1: tinyleaf/tuned{SUFFIX} (-mtune=native for 1 of 1 object)"
        assert "processor" not in record.key_parts

    def test_a_recipe_that_allows_native_code_has_the_processor_in_its_key(
        self, tmp_path: Path, leaf_index: Index
    ) -> None:
        expect, flags = {"instruction-set": "native"}, "-O3 -march=native"
        record = leaf(tmp_path, leaf_index, "attribute", expect, flags=flags, cache=False).record("tinyleaf")
        assert record.compiled.objects == {f"tinyleaf/attribute{SUFFIX}": {"-march=native": 1}}
        assert record.key_parts["processor"] == processor()

    def test_a_level_that_the_recipe_says(self, tmp_path: Path, leaf_index: Index) -> None:
        expect = {"instruction-set": "x86-64-v3"}
        run = leaf(tmp_path, leaf_index, "attribute avx2", expect, flags="-march=x86-64-v3")
        assert run.states == {"tinyleaf": "built"}

    def test_a_compiler_that_is_called_by_its_path_is_a_warning(
        self, tmp_path: Path, leaf_index: Index
    ) -> None:
        run = leaf(tmp_path, leaf_index, "attribute", {}, cc="/usr/bin/gcc")
        assert run.record("tinyleaf").compiled.objects == {}
        (warning,) = run.outcomes["tinyleaf"].warnings
        assert warning.startswith(f"how tinyleaf/attribute{SUFFIX} was compiled is not recorded, ")


def test_flags_of_the_recipe_come_last_where_a_glob_matches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A glob matches the end of the path of a source or of an object; the last one counts most."""
    flags = {"source/o*.c": "-mno-avx2", "lib/two.o": "-mavx2 -DX=1", "one.c": "-mfma", "none/*": "-O3"}
    builder = Builder(tmp_path, flags=flags)
    builder.run(
        "mkdir lib; gcc -c ../source/one.c -mavx -o one.o",
        "gcc -c two.c -o lib/two.o",
        "ar rcs libone.a one.o; gcc -shared lib/two.o libone.a -o _ext.so",
    )
    report = builder.report(monkeypatch, "_ext.so", globs=tuple(flags))
    assert report["objects"] == {"_ext.so": {"-mavx -mno-avx2 -mfma": 1, "-mavx2": 1}}
    assert report["unmatched"] == ["none/*"]


def test_what_has_flags_of_the_recipe_has_no_profile(tmp_path: Path) -> None:
    """Such a source is compiled in the same way for the training and after it; another one is not."""
    builder = Builder(tmp_path, flags={"none.c": "-O1", "one.c": "-O3"}, profile=True)
    compiles = "for each in one two; do gcc -c $each.c -o $each-$phase.o -frecord-gcc-switches; done"
    builder.run("export WHEELFARM_PROFILE=generate phase=before", compiles)
    (tmp_path / "profile").mkdir()
    builder.run("phase=after", compiles)

    def options(name: str) -> set[str]:
        argv = ["readelf", "-p", ".GCC.command.line", name]
        words = subprocess.check_output(argv, cwd=builder.source, text=True).split()
        return {word for word in words if word.startswith(("-O", "-fprofile"))}

    found = [options(f"{each}-{phase}.o") for each in ("one", "two") for phase in ("before", "after")]
    assert found == [{"-O3"}, {"-O3"}, {"-fprofile-generate"}, {"-Os"}]
