"""The farm's sessions: what they read of recipes, and real runs of nox on a small farm."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from support.farm import write_farm
from wheelfarm.cli.farm_files import FarmFiles
from wheelfarm.cli.sessions import RecipeSummary, _bundled, _has_workers, read_summaries
from wheelfarm.cli.stamp import Stamp, environment_digest, file_state
from wheelfarm.cli.tools import _digest

ROOT = Path(__file__).parents[2]
NOXFILE = """
from pathlib import Path
import nox
from wheelfarm.cli.sessions import register
from wheelfarm.cli.tools import tools_environment

ROOT = Path(__file__).parent
register(ROOT)

@nox.session(venv_backend="none", default=False)
def tools(session):
    session.log(f"made {tools_environment(session, ROOT, 'farm')}")
"""
RECIPES: dict[str, dict[str, Any]] = {
    "numpy": {"summary": "arrays"},
    "scipy": {"requires": {"host": ["numpy"], "run": ["numpy"]}},
    "learn": {"requires": {"host": ["scipy"], "run": ["elsewhere"]}},
    "broken": {},
}


def test_a_summary_has_name_version_text_and_needs(tmp_path: Path) -> None:
    requires = {"requires": {"host": ["numpy", "Py_Bind11"], "run": ["scipy", "numpy"]}}
    root = write_farm(tmp_path, {"learn": {"version": "1.9", "summary": "machines", **requires}, "a": {}})
    assert read_summaries(root / "recipes") == (
        RecipeSummary(name="a", version="1.0", summary="a small thing", needs=()),
        RecipeSummary(name="learn", version="1.9", summary="machines", needs=("numpy", "py-bind11", "scipy")),
    )
    assert read_summaries(tmp_path / "nothing") == ()


@pytest.mark.parametrize(
    "content",
    [
        *(b"name =", b"\xff\xfe", b"", b"requires = 3", b"requires.host = 'numpy'", b"[requires.host]"),
        pytest.param(b"name = " + b"[" * 5000, id="nested"),
        pytest.param(b"a." * 20_000 + b"a = 1", id="a key of many parts"),
    ],
)
def test_a_broken_recipe_is_still_listed(tmp_path: Path, content: bytes) -> None:
    root = write_farm(tmp_path, {"alpha": {}, "broken": {}})
    (root / "recipes/broken/recipe.toml").write_bytes(content)
    alpha, broken = read_summaries(root / "recipes")
    assert alpha.version == "1.0"
    assert broken == RecipeSummary(name="broken", version="?", summary="the recipe cannot be read", needs=())


def test_variants_and_recipes_are_those_of_the_settings(tmp_path: Path) -> None:
    root = write_farm(tmp_path, settings={"recipes": "our/recipes"})
    assert FarmFiles(root).variants == ("plain", "netlib")
    assert FarmFiles(root).recipes == tmp_path / "our/recipes"


@pytest.mark.parametrize(
    "text",
    [
        *("", "tool = 3", "[tool]\nwheelfarm = 3", "[tool.wheelfarm]\nvariants = ['x']", "broken ="),
        pytest.param(f"tool = {'[' * 5000}", id="nested"),
        pytest.param(f"{'a.' * 20_000}a = 1", id="a key of many parts"),
    ],
)
def test_a_broken_farm_has_the_default_variant(tmp_path: Path, text: str) -> None:
    root = write_farm(tmp_path, files={"pyproject.toml": text})
    assert FarmFiles(root).variants == ("openblas",)
    assert FarmFiles(root).recipes == tmp_path / "recipes"


_PRINT_IMPORTS = """
import sys
import nox
before = set(sys.modules)
import wheelfarm.cli.sessions
print(*sorted(set(sys.modules) - before))
"""


def test_sessions_need_only_the_standard_library_and_nox(tmp_path: Path) -> None:
    env = {"PYTHONPATH": str(ROOT / "src"), "PATH": os.defpath, "HOME": str(tmp_path)}
    argv = [sys.executable, "-c", _PRINT_IMPORTS]
    printed = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in printed if name.partition(".")[0] == "wheelfarm"}
    assert {name.partition(".")[0] for name in printed} - {"wheelfarm"} <= sys.stdlib_module_names
    modules = {f"wheelfarm.cli.{name}" for name in ("farm_files", "stamp", "sessions", "tools")}
    modules |= {"wheelfarm.system", "wheelfarm.system.shipped", "wheelfarm.system.toml"}
    assert ours == {"wheelfarm", "wheelfarm.cli", *modules}


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    files = {
        "noxfile.py": NOXFILE,
        "recipes/broken/recipe.toml": "name =",
        "requirements/farm.txt": "# nothing\n",
    }
    return write_farm(tmp_path / "farm", RECIPES, files=files)


def _environ(farm: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.defpath])
    return {"PYTHONPATH": str(ROOT / "src"), "PATH": path, "HOME": str(farm), "PIP_NO_INDEX": "1"}


def _start(farm: Path, *words: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "nox", "-f", str(farm / "noxfile.py"), *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, env=_environ(farm), cwd=farm, stdout=pipe, stderr=pipe, text=True)


def _nox(farm: Path, *words: str, code: int = 0) -> tuple[str, str]:
    with _start(farm, *words) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    return out, err


@pytest.mark.parametrize(
    ("words", "sessions"),
    [
        (("--session", "build-learn"), {"build-numpy", "build-scipy", "build-learn"}),
        (
            ("--session", "build-learn(netlib)"),
            {f"build-{name}(netlib)" for name in ("numpy", "scipy", "learn")},
        ),
        (("--tags", "build-netlib"), {f"build-{name}(netlib)" for name in RECIPES}),
    ],
)
def test_a_session_requires_the_sessions_of_its_chain_in_its_variant(
    farm: Path, words: tuple[str, ...], sessions: set[str]
) -> None:
    listed = json.loads(_nox(farm, "--list", "--json", *words)[0])
    assert {each["session"] for each in listed} == sessions
    assert "numpy 1.0: arrays [plain, netlib]" in {each["description"] for each in listed}


def test_a_nightly_requires_no_other_session(farm: Path) -> None:
    """nox would give them --nightly too, which is for the named package alone."""
    listed = json.loads(_nox(farm, "--list", "--json", "--session", "build-learn", "--", "--nightly")[0])
    assert [each["session"] for each in listed] == ["build-learn"]


def test_the_list_has_packages_first_and_ci_last_and_selects_nothing(farm: Path) -> None:
    lines = [line for line in _nox(farm, "--list")[0].splitlines() if line[:2] in {"- ", "* "}]
    names = [line.split()[1] for line in lines]
    assert names[:10] == [
        *(f"{verb}-{name}" for verb in ("build", "test") for name in sorted(RECIPES)),
        *("doctor", "ci-last"),
    ]
    assert lines[0] == "- build-broken [build] -> broken ?: the recipe cannot be read [plain, netlib]"
    assert not any(line.startswith("* ") for line in lines)


def test_each_further_version_of_a_recipe_has_a_session(farm: Path) -> None:
    version = farm / "recipes" / "broken" / "versions" / "1.0"
    version.mkdir(parents=True)
    (version / "recipe.toml").write_text("name =")
    listed, _ = _nox(farm, "--list", "--tags", "versions")
    assert [line.split()[1] for line in listed.splitlines() if line.startswith("* ")] == ["build-broken(1.0)"]


def test_every_recipe_has_its_sessions_even_a_broken_one(farm: Path) -> None:
    listed, _ = _nox(farm, "--list", "--keywords", "build or test or ci or tools or doctor")
    sessions = {line.split()[1] for line in listed.splitlines() if line[:2] in {"- ", "* "}}
    wanted = {f"{verb}-{name}" for verb in ("build", "test") for name in RECIPES}
    wanted |= {f"{name}({variant})" for name in wanted for variant in ("plain", "netlib")}
    verbs = {"last", "plan", "prepare", "build", "summary", "collect", "verify", "publish"}
    verbs |= {"bump", "pull-request"}
    assert sessions == wanted | {f"ci-{verb}" for verb in verbs} | {"tools", "doctor"}


def _pretend_tools(farm: Path, code: int = 0, lock: str = "farm") -> Path:
    """Replace the interpreter of an environment by one that writes its arguments to a file."""
    calls = farm / "calls"
    python = farm / f".nox/farm-{lock}/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$PWD $*" >> "{calls}"\nexit {code}\n')
    python.chmod(0o755)
    (python.parents[1] / "made-from").write_text(_digest(farm / f"requirements/{lock}.txt"))
    return calls


def _stamp_of(farm: Path, *words: str) -> Path:
    name = hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
    return farm / ".nox/stamps" / f"{words[1]}-{name}.json"


def test_each_session_of_a_chain_runs_the_task_of_its_package(farm: Path) -> None:
    calls = _pretend_tools(farm)
    _nox(farm, "-s", "build-scipy(netlib)", "test-scipy(netlib)", "--", "--jobs", "2")
    words = [("chain", name, "--variant", "netlib", "--jobs", "2") for name in ("numpy", "scipy")]
    assert calls.read_text().splitlines() == [
        *(f"{farm} -m invoke {' '.join(each)} --stamp {_stamp_of(farm, *each)}" for each in words),
        f"{farm} -m invoke test scipy --variant netlib --jobs 2",
    ]


def test_ci_publish_has_an_environment_that_can_sign(farm: Path) -> None:
    (farm / "requirements/publish.txt").write_text("# nothing\n")
    calls = _pretend_tools(farm, lock="publish")
    _nox(farm, "-s", "ci-publish", "--", "--index", "internal")
    assert calls.read_text() == f"{farm} -m wheelfarm.cli.ci_run publish --index internal\n"
    # This farm's own can.
    assert "\nsigstore==" in (ROOT / "requirements/publish.txt").read_text()


def test_a_chain_on_workers_has_an_environment_with_dask(farm: Path) -> None:
    (farm / "requirements/dask.txt").write_text("# nothing\n")
    calls = _pretend_tools(farm, lock="dask")
    words = ("chain", "numpy", "--workers", "tcp://scheduler:8786")
    _nox(farm, "-s", "build-numpy", "--", *words[2:])
    assert calls.read_text() == f"{farm} -m invoke {' '.join(words)} --stamp {_stamp_of(farm, *words)}\n"
    # This farm's own has it.
    assert "\ndistributed==" in (ROOT / "requirements/dask.txt").read_text()


@pytest.mark.parametrize(
    ("words", "setting", "variable", "has"),
    [
        ([], "none", None, False),
        ([], "tcp://s:1", None, True),
        ([], "tcp://s:1", "none", False),
        ([], "none", "tcp://s:1", True),
        (["--workers", "none"], "tcp://s:1", "tcp://s:1", False),
        (["--workers=tcp://s:1"], "none", None, True),
        (["--workers", "tcp://s:1"], "none", "none", True),
    ],
)
def test_an_option_overrides_a_variable_and_that_the_farm(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    setting: str,
    variable: str | None,
    *,
    has: bool,
) -> None:
    (tmp_path / "pyproject.toml").write_text(f'[tool.wheelfarm]\nworkers = "{setting}"\n')
    monkeypatch.delenv("WHEELFARM_WORKERS", raising=False)
    if variable is not None:
        monkeypatch.setenv("WHEELFARM_WORKERS", variable)
    assert _has_workers(tmp_path, ["chain", "numpy", *words]) is has


@pytest.mark.parametrize(
    ("words", "variable", "offline"),
    [
        ([], None, False),
        (["--offline"], None, True),
        ([], "1", True),
        ([], "true", True),
        ([], "false", False),
        (["--offline"], "false", True),
    ],
)
def test_only_an_offline_run_takes_its_environment_from_a_bundle(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    variable: str | None,
    *,
    offline: bool,
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.wheelfarm]\n")
    wheels = tmp_path / "elsewhere" / "environment"
    wheels.mkdir(parents=True)
    monkeypatch.setenv("WHEELFARM_WORK", "elsewhere")
    monkeypatch.delenv("WHEELFARM_OFFLINE", raising=False)
    if variable is not None:
        monkeypatch.setenv("WHEELFARM_OFFLINE", variable)
    assert _bundled(tmp_path, ["chain", "numpy", *words]) == (wheels if offline else None)


def test_a_wheelfarm_without_locks_is_an_error(farm: Path, tmp_path: Path) -> None:
    """A farm without a lock uses that of wheelfarm."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "wheelfarm", tmp_path / "src" / "wheelfarm", ignore=ignored)
    (farm / "requirements/farm.txt").unlink()
    argv = [sys.executable, "-m", "nox", "-f", str(farm / "noxfile.py"), "-s", "tools"]
    env = _environ(farm) | {"PYTHONPATH": str(tmp_path / "src")}
    done = subprocess.run(argv, env=env, cwd=farm, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "requirements/farm.txt is missing, and this wheelfarm brings none along" in done.stderr


def test_a_failure_stops_the_chain(farm: Path) -> None:
    calls = _pretend_tools(farm, code=43)
    _nox(farm, "-s", "build-learn", code=1)
    assert len(calls.read_text().splitlines()) == 1


def _write_stamp(farm: Path, **changes: Any) -> None:
    recipe = farm / "recipes/numpy/recipe.toml"
    values = {"files": {str(recipe): file_state(recipe)}, "commands": {}, "lines": ["numpy is there already"]}
    stamp = Stamp(environment=environment_digest(_environ(farm)), **values | changes)
    path = _stamp_of(farm, "chain", "numpy")
    path.parent.mkdir(parents=True)
    path.write_text(stamp.to_json(), encoding="utf-8")


def test_a_session_with_a_valid_stamp_reads_nothing_else(farm: Path) -> None:
    _write_stamp(farm)
    _, err = _nox(farm, "-s", "build-numpy")
    assert "numpy is there already" in err
    assert not (farm / ".nox/farm-farm").exists()


def test_a_stamp_whose_program_is_gone_is_not_valid(farm: Path) -> None:
    calls = _pretend_tools(farm)
    _write_stamp(farm, commands={"no-such-engine\0version": "x"})
    _nox(farm, "-s", "build-numpy")
    assert "chain numpy" in calls.read_text()


@pytest.mark.slow
def test_the_tools_environment_is_made_once_also_by_two_runs_at_once(farm: Path) -> None:
    runs = [_start(farm, "-s", "tools") for _ in range(2)]
    outputs = [run.communicate(timeout=120)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert sum("making the environment" in each for each in outputs) == 1
    python = farm / ".nox/farm-farm/bin/python"
    assert all(f"made {python}" in each for each in outputs)
    # The farm's own source is importable there, without being installed.
    argv = [str(python), "-c", "import wheelfarm; print(wheelfarm.__file__)"]
    printed = subprocess.run(argv, env={"PATH": os.defpath}, capture_output=True, text=True, check=True)
    assert Path(printed.stdout.strip()) == ROOT / "src/wheelfarm/__init__.py"
    before = file_state(python.parent / "pip")
    _, err = _nox(farm, "-s", "tools")
    assert "making the environment" not in err
    assert file_state(python.parent / "pip") == before


@pytest.mark.slow
def test_install_only_makes_the_environment_and_runs_nothing(farm: Path) -> None:
    _, err = _nox(farm, "--install-only", "-s", "build-numpy")
    assert (farm / ".nox/farm-farm/bin/python").exists()
    assert "as --install-only is set" in err
    assert not (farm / "wheelhouse").exists()


def test_a_run_waits_for_the_one_that_makes_the_environment(farm: Path) -> None:
    (farm / ".nox").mkdir()
    with FileLock(farm / ".nox/farm-farm.lock"):
        run = _start(farm, "-s", "build-numpy")
        assert run.stderr is not None
        while "waiting for .nox/farm-farm" not in run.stderr.readline():
            assert run.poll() is None
        calls = _pretend_tools(farm)
    run.communicate(timeout=120)
    assert run.returncode == 0
    assert "chain numpy" in calls.read_text()
