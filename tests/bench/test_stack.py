"""The comparison of wheels in speed: real runs of bench/stack.py on numpy's public wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
OPERATIONS = ("numpy.add_float64", "numpy.matmul_float64")
BROKEN = """
def median(a):
    return float64(0.25)
def cumsum(a):
    import os
    os.abort()
def sort(a, **options):
    raise RuntimeError("no sort")
"""
LEAST_OPERATIONS = 46


def run(*words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(ROOT / "bench/stack.py"), *map(str, words)]
    # The machine may have some of OpenBLAS, which the script names.
    own = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    return subprocess.run(argv, env=own | variables, capture_output=True, text=True, check=False)


def selected(*names: str) -> list[str]:
    return [word for name in names for word in ("--operations", name)]


def quick(directory: Path, *words: object, **variables: str) -> tuple[dict[str, Any], str, int]:
    file = directory / "result.json"
    done = run("--quick", "--json", file, *words, **variables)
    assert file.exists(), done.stderr
    return json.loads(file.read_text()), done.stdout, done.returncode


@pytest.fixture(scope="module")
def numpy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with numpy's public wheel."""
    directory = tmp_path_factory.mktemp("numpy")
    version = tomllib.loads((ROOT / "recipes/numpy/recipe.toml").read_text())["version"]
    words = ("download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(directory))
    subprocess.run([sys.executable, "-m", "pip", *words, f"numpy=={version}"], check=True)
    return directory


@pytest.fixture(scope="module")
def broken(numpy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the same wheel, of which three functions do not work."""
    directory = tmp_path_factory.mktemp("broken")
    (wheel,) = numpy.iterdir()
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(directory / wheel.name, "w") as new:
        for member in old.infolist():
            content = old.read(member)
            new.writestr(member, content + BROKEN.encode() * (member.filename == "numpy/__init__.py"))
    return directory


def test_equal_wheels_are_about_equally_fast_and_the_kernel_is_named(
    numpy: Path, broken: Path, tmp_path: Path
) -> None:
    words = ("--baseline", numpy, "--wheels", broken, "--against-itself", "--threads", "1,2")
    data, text, code = quick(tmp_path, *words, *selected(*OPERATIONS), OPENBLAS_CORETYPE="Prescott")
    assert code == 0, text
    first, *others = [side["label"] for side in data["sides"]]
    assert others == [str(broken), f"{first} again"]
    found = {(each["operation"], each["side"], each["threads"]) for each in data["operations"]}
    assert found == {(name, side, n) for name in OPERATIONS for side in others for n in (1, 2)}
    assert all(0 < each["low"] <= each["ratio"] <= each["high"] for each in data["operations"])
    # Not an assertion about speed: equal code is not a hundred times as fast.
    assert all(0.01 < each["ratio"] < 100 for each in data["operations"])
    assert data["unset"] == ["OPENBLAS_CORETYPE=Prescott"]
    assert "OPENBLAS_CORETYPE=Prescott" in text
    for side in data["sides"]:
        for threads, code_of in side["code"].items():
            (pool,) = code_of["pools"]
            assert pool["internal_api"] == "openblas"
            assert pool["architecture"] not in {"", "Prescott"}
            assert pool["num_threads"] == int(threads)
    groups = {each["group"] for each in data["operations"]}
    assert groups == {"numpy", "linear algebra"}
    summary = data["summary"][0]["geometric-means"]
    assert set(summary) == {"all", "linear algebra", "everything else", "numpy"}
    assert [each["side"] for each in data["summary"] if "noise" in each] == [others[1]] * 2
    sizes = data["sides"][0]["sizes"]["numpy"]
    assert sizes["library"] > sizes["header"] > 0
    ET.parse(tmp_path / "result.svg")  # noqa: S314 - our own


def test_a_wrong_result_a_crash_and_an_exception_are_errors_and_others_go_on(
    numpy: Path, broken: Path, tmp_path: Path
) -> None:
    names = ("numpy.median", "numpy.cumulative_sum", "numpy.sort_float64", "numpy.unique")
    words = ("--baseline", numpy, "--wheels", broken, "--threads", "1")
    data, text, code = quick(tmp_path, *words, *selected(*names))
    assert code == 1
    errors = {each["operation"]: each["error"] for each in data["operations"]}
    assert errors["numpy.median"].startswith("wrong result: the result differs by 0.2")
    assert errors["numpy.cumulative_sum"].startswith("the process was ended by SIGABRT")
    assert errors["numpy.sort_float64"] == "RuntimeError: no sort"
    assert errors["numpy.unique"] == ""
    assert "numpy.sort_float64: RuntimeError: no sort" in text


def test_the_import_is_timed_in_new_processes(numpy: Path, broken: Path, tmp_path: Path) -> None:
    words = ("--baseline", numpy, "--wheels", broken)
    data, _, code = quick(tmp_path, *words, *selected("numpy.import"))
    (found,) = data["operations"]
    assert (code, found["group"], found["threads"]) == (0, "import", 1)
    assert found["seconds"] > 0


def test_an_interrupt_leaves_nothing(numpy: Path, broken: Path, tmp_path: Path) -> None:
    words = ("--baseline", numpy, "--wheels", broken, "--json", tmp_path / "result.json")
    argv = [sys.executable, str(ROOT / "bench/stack.py"), *map(str, words), *selected("numpy.s*")]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    env = os.environ | {"TMPDIR": str(scratch)}
    with subprocess.Popen(
        argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        while "pass 1 of" not in running.stderr.readline():
            assert running.poll() is None
        running.terminate()
        assert running.wait() == 130
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "result.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--operations", "numpy.nothing*"), "no operation matches 'numpy.nothing*'"),
        (("--variant", "opnblas"), "openblas"),
        (("--operations", "numpy.*", "--threads", "0"), "'0' are no numbers of threads"),
        (("--operations", "numpy.*", "--wheels", "nowhere"), "nowhere has no wheel of numpy"),
        (("--operations", "scipy.*"), "inv chain scipy --variant openblas"),
    ],
)
def test_what_cannot_be_compared_is_named_with_the_next_command(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    done = run("--json", tmp_path / "result.json", *words, WHEELFARM_WHEELHOUSE=str(tmp_path / "wheelhouse"))
    assert done.returncode == 2 if "scipy.*" not in words else done.returncode
    assert message in done.stderr
    assert "next: " in done.stderr
    assert not (tmp_path / "result.json").exists()


def test_two_wheels_of_one_distribution_are_an_error(numpy: Path, tmp_path: Path) -> None:
    (wheel,) = numpy.iterdir()
    for build in ("1", "2"):
        name, version, rest = wheel.name.split("-", 2)
        (tmp_path / f"{name}-{version}-{build}-{rest}").symlink_to(wheel)
    done = run("--operations", "numpy.*", "--wheels", tmp_path)
    assert done.returncode == 2
    assert "has two wheels of numpy" in done.stderr


def test_there_are_operations_of_all_four_packages() -> None:
    names = run("--list").stdout.split()
    assert len(names) >= LEAST_OPERATIONS
    for package in ("numpy", "scipy", "pandas", "sklearn"):
        assert f"{package}.import" in names
        assert sum(name.startswith(f"{package}.") for name in names) > 10
