"""Failed, killed and simultaneous runs: errors have a class, and only whole wheels are stored."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from support.index import Index
from support.packages import BROKEN, make_sdist, tinyleaf
from support.store import check_tidy, listed
from support.tiny import LEAF, VARIANT, child_command, kill_runs, run_farm, tiny_farm, tiny_index
from wheelfarm.run.farm import passing
from wheelfarm.run.scheduler import Retry
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.errors import FarmError
    from wheelfarm.recipes.settings import Settings


def check_nothing_stored(settings: Settings) -> None:
    assert listed(Wheelhouse(settings.wheelhouse), VARIANT) == []
    assert not list(settings.wheelhouse.rglob("*.whl"))
    assert not list(settings.wheelhouse.glob("*/records/*"))


def failed(settings: Settings, name: str = "tinyleaf") -> FarmError:
    """Run the farm; the error of a build, after which nothing is stored."""
    run = run_farm(settings)
    assert run.states[name] == "failed", run.states
    check_nothing_stored(settings)
    return run.error(name)


@pytest.mark.slow
def test_a_compiler_that_dies_stops_only_what_needs_it(index: Index, tmp_path: Path) -> None:
    listed = {"patches": [{"file": "0001-break.patch"}]}
    settings = tiny_farm(
        tmp_path / "farm",
        index,
        {"tinybase": listed, "tinyleaf": {}, "tinytop": {}},
        patches={"tinybase/0001-break.patch": BROKEN},
    )
    run = run_farm(settings)
    assert run.states == {"tinybase": "failed", "tinyleaf": "built", "tinytop": "blocked"}
    error = run.error("tinybase")
    assert (error.slug, error.failure) == ("build", "compile")
    assert "#error the farm's own mistake" in str(error.why)
    assert error.log is not None
    where, _, number = str(error.where).partition(f", {error.log.name}, line ")
    assert where == "recipes/tinybase/recipe.toml"
    assert "the farm's own mistake" in error.log.read_text().splitlines()[int(number) - 1]
    assert [line.partition(":")[0] for line in error.lines() if re.match(r"  \S", line)][-2:] == [
        "  log",
        "  next",
    ]
    assert run.outcomes["tinytop"].why.startswith("blocked by tinybase")
    # One can look at it.
    assert (settings.stages / run.build("tinybase").id.slug / "source" / "setup.py").is_file()


@pytest.mark.slow
def test_what_the_gate_refuses_is_not_stored(index: Index, tmp_path: Path) -> None:
    """The error names the failed check, and after a correction nothing is compiled again."""
    smoke = {"recipes/tinyleaf/smoke.py": 'raise SystemExit("it smokes")\n'}
    settings = tiny_farm(tmp_path / "farm", index, LEAF, files=smoke)
    error = failed(settings)
    assert error.slug == "test"
    assert str(error.why) == "smoke.py: SystemExit: it smokes"
    recipe = settings.recipes / "tinyleaf" / "recipe.toml"
    text = recipe.read_text()
    recipe.write_text(text.replace('["tinyleaf"]', '["tinyleaf", "tinyleaf.no"]'))
    error = failed(settings)
    assert (error.slug, error.why) == (
        "test",
        "import tinyleaf.no: ModuleNotFoundError: No module named 'tinyleaf.no'",
    )
    recipe.write_text(text + '[expect]\nblas = "openblas"\ninterface = "lp64"\n')
    error = failed(settings)
    assert error.exit_code == 60
    assert "blas: expected openblas, found none" in str(error)
    assert "interface: expected lp64, found none" in str(error)
    assert "recipes/tinyleaf/recipe.toml: expect.blas" in str(error)
    recipe.write_text(text)
    # What waits may be damaged; then it is built anew.
    (ungated,) = (settings.work / "ungated").glob("*/*.whl")
    ungated.write_bytes(b"cut off")
    assert failed(settings).slug == "test"
    (settings.recipes / "tinyleaf" / "smoke.py").write_text("import tinyleaf\n")
    run = run_farm(settings)
    assert run.states == {"tinyleaf": "built"}
    assert "using the wheel that an earlier run built" in run.lines
    assert not any("building" in line for line in run.lines)
    assert list((settings.work / "ungated").iterdir()) == []


BACKEND = """\
from pathlib import Path


def build_wheel(directory, settings=None, metadata=None):
    for name in {names}:
        (Path(directory) / name).write_bytes(b"")
    return "tinyleaf-1.0-py3-none-any.whl"
"""


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "left no wheel for tinyleaf"),
        pytest.param(
            ["tinyleaf-1.0-py3-none-any.whl", "tinyleaf-1.1-py3-none-any.whl"],
            "left 2 wheels for tinyleaf",
            marks=pytest.mark.slow,
        ),
        pytest.param(["otherleaf-1.0-py3-none-any.whl"], "made otherleaf 1.0", marks=pytest.mark.slow),
        (["tinyleaf-1.0.1-py3-none-any.whl"], "made tinyleaf 1.0.1"),
        pytest.param(["tinyleaf.whl"], "not a wheel's name", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_a_build_yields_one_wheel_of_the_recipe(
    index: Index, tmp_path: Path, names: list[str], said: str
) -> None:
    build_system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {"backend.py": BACKEND.format(names=names), "pyproject.toml": build_system}
    own = Index(tmp_path / "index")
    own.add(make_sdist(tmp_path, "tinyleaf", files), *(index.root / "files").glob("*.whl"))
    lock = own.lock("build", "packaging", "pyproject-hooks")
    settings = tiny_farm(tmp_path / "farm", own, LEAF, files={"recipes/tinyleaf/build.lock": lock})
    error = failed(settings)
    assert error.slug == "yield"
    assert said in error.what


class TestSource:
    def test_a_truncated_sdist(self, index: Index, tmp_path: Path) -> None:
        """Pinned as it is, so that only unpacking can tell."""
        whole = make_sdist(tmp_path, "tinyleaf", tinyleaf())
        whole.write_bytes(whole.read_bytes()[:-200])
        own = Index(tmp_path / "index")
        own.add(whole, *(index.root / "files").glob("*.whl"))
        assert failed(tiny_farm(tmp_path / "farm", own, LEAF)).slug == "archive"

    def test_bytes_that_are_not_the_pinned_ones(self, index: Index, tmp_path: Path) -> None:
        source = {"kind": "sdist", "sha256": "0" * 64}
        assert failed(tiny_farm(tmp_path / "farm", index, {"tinyleaf": {"source": source}})).slug == "hash"

    @pytest.mark.slow  # waits before each further try
    def test_an_index_that_cannot_be_reached(self, index: Index, tmp_path: Path) -> None:
        settings = tiny_farm(tmp_path / "farm", index, LEAF, settings={"index-url": "http://127.0.0.1:9/"})
        error = failed(settings)
        assert (error.slug, error.exit_code) == ("network", 20)
        assert "127.0.0.1:9" in str(error.where)
        run = run_farm(settings, retry=Retry(passing=passing, attempts=2, pause=0.01))
        assert (run.outcomes["tinyleaf"].attempts, run.error("tinyleaf").slug) == (2, "network")

    def test_offline_with_an_empty_cache(self, index: Index, tmp_path: Path) -> None:
        settings = tiny_farm(tmp_path / "farm", index, LEAF, settings={"offline": True})
        settings = settings.replace(index_url="http://127.0.0.1:9/")
        error = failed(settings)
        assert (error.slug, "offline" in error.what) == ("network", True)
        run = run_farm(settings, retry=Retry(passing=passing))
        assert run.outcomes["tinyleaf"].attempts == 1

    @pytest.mark.slow  # builds; test_fetcher.py has the cache alone
    def test_a_full_cache_needs_no_network(self, chain: Settings) -> None:
        recipe = chain.recipes / "tinytop" / "recipe.toml"
        recipe.write_text(recipe.read_text() + '[environment]\nA = "1"\n')
        run = run_farm(chain.replace(index_url="http://127.0.0.1:9/"))
        assert run.states == {"tinybase": "cached", "tinytop": "built"}


class TestDisk:
    def test_a_wheelhouse_that_cannot_be_written(self, index: Index, tmp_path: Path) -> None:
        settings = tiny_farm(tmp_path / "farm", index, LEAF)
        settings.wheelhouse.write_text("a file stands where the directory should be")
        run = run_farm(settings)
        assert run.states == {"tinyleaf": "failed"}
        assert run.error("tinyleaf").slug == "wheelhouse"
        assert not any("Building wheel" in line for line in run.lines)

    def test_a_work_directory_that_cannot_be_made(self, index: Index, tmp_path: Path) -> None:
        settings = tiny_farm(tmp_path / "farm", index, LEAF)
        settings.work.write_text("a file")
        assert failed(settings).slug == "build-directory"

    @pytest.mark.slow
    def test_a_full_disk(self, index: Index, tmp_path: Path) -> None:
        """Already when sources are fetched."""
        settings = tiny_farm(tmp_path / "farm", index, LEAF)
        full = child(settings, "tinyleaf", f"--full={settings.cache}")
        assert full == {"states": {"tinyleaf": "failed"}, "errors": {"tinyleaf": "build-directory"}}
        check_nothing_stored(settings)

    @pytest.mark.slow  # builds
    def test_a_full_wheelhouse(self, index: Index, tmp_path: Path) -> None:
        settings = tiny_farm(tmp_path / "farm", index, LEAF)
        full = child(settings, "tinyleaf", f"--full={settings.wheelhouse / VARIANT / 'wheels'}")
        assert full == {"states": {"tinyleaf": "failed"}, "errors": {"tinyleaf": "wheelhouse"}}
        check_nothing_stored(settings)
        run = run_farm(settings)
        assert run.states == {"tinyleaf": "built"}


def child(settings: Settings, *words: str) -> dict[str, Any]:
    argv, keywords = child_command(settings, *words)
    finished = subprocess.run(argv, check=True, stdout=subprocess.PIPE, **keywords)
    return dict(json.loads(finished.stdout.splitlines()[-1]))


def start(settings: Settings) -> subprocess.Popen[str]:
    argv, keywords = child_command(settings, "tinyleaf")
    return subprocess.Popen(argv, stdout=subprocess.PIPE, **keywords)


def answer(process: subprocess.Popen[str]) -> dict[str, str]:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    states: dict[str, str] = json.loads(output.splitlines()[-1])["states"]
    return states


@pytest.mark.slow
def test_of_two_runs_at_once_one_builds(index: Index, tmp_path: Path) -> None:
    settings = tiny_farm(tmp_path / "farm", index, LEAF)
    first, second = start(settings), start(settings)
    states = [answer(first)["tinyleaf"], answer(second)["tinyleaf"]]
    assert sorted(states) == ["built", "cached"]
    check_tidy(settings.wheelhouse, VARIANT)


@pytest.mark.slow
def test_after_kills_the_next_run_succeeds(index: Index, tmp_path: Path) -> None:
    settings = tiny_farm(tmp_path / "farm", index, LEAF)
    kill_runs(lambda: start(settings), times=3, within=(0.3, 3))
    run = run_farm(settings)
    assert run.states["tinyleaf"] in {"built", "cached"}, run.error("tinyleaf")
    check_tidy(settings.wheelhouse, VARIANT)
    assert run_farm(settings).states == {"tinyleaf": "cached"}


@pytest.mark.slow  # builds; test_lock_checks.py has the check alone
def test_a_run_requirement_that_the_farm_builds_is_named_by_the_recipe(tmp_path: Path) -> None:
    files = tinyleaf()
    pyproject = files["pyproject.toml"].replace("dependencies = []", 'dynamic = ["dependencies"]')
    setup = files["setup.py"].replace("setup(", 'setup(install_requires=["tinybase"], ')
    index = tiny_index(tmp_path / "index", tinyleaf=files | {"pyproject.toml": pyproject, "setup.py": setup})
    settings = tiny_farm(tmp_path / "farm", index, {"tinyleaf": {}, "tinybase": {}})
    error = run_farm(settings, "tinyleaf").error("tinyleaf")
    assert error.what == "tinyleaf needs to run tinybase, which the farm has a recipe for"
    assert error.hint == 'requires = { run = ["tinybase"] }, then inv recipe.lock tinyleaf'
    check_nothing_stored(settings)
