"""The tasks as one types them, in a farm of tiny packages: output, exit codes, what goes where."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.binaries import elf
from support.door import Door
from support.farm import make_farm
from support.index import Index
from support.wheels import Fault, make_wheel
from wheelfarm.recipes.settings import load

if TYPE_CHECKING:
    from support.door import Done

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
TAG = PYTHON.replace(".", "")


@pytest.fixture(scope="module")
def root(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm whose chain is built; the tasks here change nothing in it."""
    return Path(shutil.copytree(built, tmp_path_factory.mktemp("tasks") / "farm", symlinks=True))


@pytest.fixture
def farm(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(root, capsys, monkeypatch)


def data(finished: Done) -> Any:
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


class TestPlan:
    def test_lines_for_people(self, farm: Door) -> None:
        finished = farm.inv("plan", "tinytop")
        assert finished.returncode == 0, finished.stderr
        shared, _, base, top = finished.stdout.splitlines()
        assert shared.startswith("2 nothing: plain, ")
        assert base.split()[:3] == ["nothing", "tinybase", "1.0"]
        assert base.endswith("[for tinytop]")
        assert top.endswith("[requested]")

    def test_json_for_programs(self, farm: Door) -> None:
        plan = data(farm.inv("plan", "all", "--json"))
        assert [(each["action"], each["reason"]) for each in plan] == [("nothing", "requested")] * 2
        assert {len(each["key"]) for each in plan} == {64}

    def test_a_dry_run_says_the_same_and_does_nothing(self, farm: Door) -> None:
        before = {str(path) for path in farm.root.rglob("*") if path.is_file()}
        dry = data(farm.inv("chain", "tinytop", "--variant", "netlib", "--dry-run", "--json"))
        planned = data(farm.inv("plan", "tinytop", "--variant", "netlib", "--json"))
        assert dry == planned
        assert [each["action"] for each in dry] == ["build", "build"]
        assert {str(path) for path in farm.root.rglob("*") if path.is_file()} - before == set()


def test_a_run_with_nothing_to_do(farm: Door) -> None:
    finished = farm.inv("chain", "tinytop", "--json")
    answer = data(finished)
    assert [each["state"] for each in answer["outcomes"]] == ["cached", "cached"]
    assert all(Path(each["wheel"]).is_file() for each in answer["outcomes"])
    assert "2 cached" in finished.stderr


@pytest.mark.slow
def test_a_run_that_fails_tells_what_and_why(farm: Door, tmp_path: Path) -> None:
    root = tmp_path / "farm"
    shutil.copytree(farm.root, root, symlinks=True)
    (root / "recipes" / "tinybase" / "smoke.py").write_text("raise SystemExit('it smokes')\n")
    finished = replace(farm, root=root).inv("chain", "tinytop")
    assert finished.returncode == 61
    assert "error[test]: tinybase" in finished.stderr
    assert "it smokes" in finished.stderr
    assert "1 failed, 1 blocked" in finished.stderr
    assert "missing: tinybase" in finished.stderr
    assert finished.stdout == ""
    assert 'Traceback (most recent call last):\n  File "/' not in finished.stderr.partition("  | ")[0]


def test_explain_shows_what_would_be_run(farm: Door) -> None:
    (shown,) = data(farm.inv("explain", "tinytop", "--json"))
    assert shown["upstream"] == [each for each in shown["upstream"] if "tinybase" in each]
    assert [step["phase"] for step in shown["steps"]] == [
        *("environment" for _ in range(4)),  # make it, fill it, hide programs, scripts before the compilers
        "build",
        *("environment report" for _ in range(2)),  # what it contains, what the compilers received
        *("repair" for _ in range(4)),  # check RECORD, repair, remove RPATHs, provenance of libraries
    ]
    assert shown["origins"]["test.imports"] == "recipes/tinytop/recipe.toml"
    finished = farm.inv("explain", "tinytop")
    assert finished.returncode == 0
    assert re.search(r"^test\.imports +<- recipes/tinytop/recipe\.toml$", finished.stdout, re.MULTILINE)
    # The record describes the stored wheel.
    assert shown["record"]["wheel"]["filename"].startswith("tinytop-1.0-")
    (base,) = shown["record"]["upstream"]
    assert f"  on {base['filename']}, sha256 {base['sha256']}\n" in finished.stdout
    unbuilt = farm.inv("explain", "tinytop", "--variant", "netlib").stdout
    assert unbuilt.splitlines()[1] == "not built yet"
    assert " -m build --no-isolation --wheel " in finished.stdout


def test_why_says_what_changed(farm: Door) -> None:
    assert farm.inv("why", "tinytop").stdout.startswith("nothing: tinytop")
    lines = farm.inv("why", "tinytop", "--variant", "netlib").stdout.splitlines()
    assert lines[0].startswith("build: tinytop")
    assert "not built yet" in lines[1]
    planned = data(farm.inv("plan", "tinytop", "--json"))
    assert data(farm.inv("why", "tinytop", "--json")) == planned[1:]


class TestRecipe:
    def test_list(self, farm: Door) -> None:
        base, top = farm.inv("recipe.list").stdout.splitlines()
        assert base.split()[0] == "tinybase"
        assert top.endswith("[on tinybase]")
        assert [each["name"] for each in data(farm.inv("recipe.list", "--json"))] == ["tinybase", "tinytop"]

    def test_check(self, farm: Door, tmp_path: Path) -> None:
        assert farm.inv("recipe.check", "all").returncode == 0
        root = tmp_path / "farm"
        shutil.copytree(
            farm.root, root, symlinks=True, ignore=shutil.ignore_patterns("wheelhouse", ".wheelfarm")
        )
        for name in ("tinybase", "tinytop"):
            recipe = root / "recipes" / name / "recipe.toml"
            recipe.write_text("compiler = []\n" + recipe.read_text())
        finished = replace(farm, root=root).inv("recipe.check", "all")
        assert finished.returncode == 11
        # Both at once, each with its file and the nearest valid name.
        assert finished.stderr.count("error[recipe]: unknown key 'compiler'") == 2
        assert finished.stderr.count("did you mean 'compilers'?") == 2
        assert "recipes/tinytop/recipe.toml" in finished.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("plan", "tinytpo"), 2, "did you mean 'tinytop'?"),
        (("chain", "tinytpo", "--dry-run"), 2, "there is no recipe for 'tinytpo'"),
        (("plan", "tinytop", "--variant", "netlob"), 2, "did you mean 'netlib'?"),
        (("plan", "tinytop", "--python", "three"), 2, "'three' is not a Python version"),
        (("plan", "tinytop", "--python", "2.6"), 40, "there is no Python 2.6"),
        (("plan", "tinytop", "--engine", "hots"), 2, "--engine"),
        (("why", "nothing-like-it"), 2, "there is no recipe"),
        (("explain", "tinytop,tinytpo"), 2, "'tinytpo'"),
        (("wheel.inspect", "no-such.whl"), 2, "there is no file no-such.whl"),
    ],
)
def test_bad_words(farm: Door, words: tuple[str, ...], code: int, said: str) -> None:
    finished = farm.inv(*words)
    assert (finished.returncode, finished.stdout) == (code, "")
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_directory_that_is_no_farm(farm: Door, tmp_path: Path) -> None:
    finished = replace(farm, root=tmp_path).inv("plan", "tinytop")
    assert finished.returncode == 2
    assert "this is no farm" in finished.stderr


class TestWheel:
    @pytest.fixture
    def stored(self, farm: Door) -> str:
        (wheel,) = load(farm.root, environ={}).wheelhouse.rglob("tinybase-*.whl")
        return str(wheel)

    def test_inspect(self, farm: Door, stored: str) -> None:
        described = data(farm.inv("wheel.inspect", stored, "--json"))
        assert (described["name"], described["version"]) == ("tinybase", "1.0")
        finished = farm.inv("wheel.inspect", stored)
        assert finished.returncode == 0
        assert finished.stdout.startswith("tinybase 1.0  ")
        assert "libtiny" in finished.stdout
        assert data(farm.inv("wheel.inspect", "tinybase", "--json")) == described

    def test_inspect_the_public_one(self, farm: Door, tmp_path: Path) -> None:
        own = Index(tmp_path / "index")
        own.add(make_wheel(tmp_path, "tinytop", "1.0", {"tinytop.py": ""}))
        words = ("wheel.inspect", "tinytop", "--public", "--json")
        described = data(farm.inv(*words, WHEELFARM_INDEX_URL=own.url))
        assert described["file"] == "tinytop-1.0-py3-none-any.whl"

    def test_a_file_that_unpacks_to_more_than_the_limit(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_farm(tmp_path / "farm", settings={"limits": {"unpacked": "1M"}})
        large = str(make_wheel(tmp_path, "large", files={"zeros.bin": bytes(1 << 20)}))
        for task in ("wheel.inspect", "wheel.gate"):
            finished = Door(tmp_path / "farm", capsys, monkeypatch).inv(task, large)
            assert finished.returncode == 23
            assert "unpacks to 1,048,576 bytes or more; at most 1,000,000 are accepted" in finished.stderr
            assert "next: if you trust it, raise `unpacked` in [tool.wheelfarm.limits]" in finished.stderr
        # Outside of a farm the defaults hold.
        assert Door(tmp_path, capsys, monkeypatch).inv("wheel.inspect", large).returncode == 0

    @pytest.mark.slow
    def test_gate(self, farm: Door, stored: str) -> None:
        finished = farm.inv("wheel.gate", stored)
        assert finished.returncode == 0, finished.stderr
        assert "smoke (Python 3.11): expected passed, found passed" in finished.stdout
        assert "smoke (tinytop 1.0): expected passed, found passed in its own gate" in finished.stdout

    def test_another_system(self, farm: Door, stored: str) -> None:
        found = data(farm.inv("wheel.gate", "tinytop", "--like", "debian12", "--json"))
        assert (found["system"], found["findings"], found["missing"]) == ("debian12", [], [])
        assert found["beside"] == [Path(stored).name]
        assert found["not_tried"]
        finished = farm.inv("wheel.gate", stored, "--like", "alpine3.20")
        assert finished.returncode == 60
        assert finished.stdout.startswith("Alpine Linux 3.20, musl 1.2: ")
        assert "pip refuses it on musl 1.2" in finished.stdout
        assert "next: build in an older builder image" in finished.stderr
        elsewhere = replace(farm, root=Path("/"))
        assert "this is none" in elsewhere.inv("wheel.gate", stored, "--like", "debian12").stdout

    def test_a_system_that_is_not_known(self, farm: Door, stored: str) -> None:
        for words in (("--like", "alpine3.2"), ("--image", "localhost/none")):
            finished = farm.inv("wheel.gate", stored, *words)
            assert (finished.returncode, finished.stdout) == (2, "")
        assert "did you mean 'alpine3.20'?" in farm.inv("wheel.gate", stored, "--like", "alpine3.2").stderr

    def test_what_is_wrong_with_a_wheel(self, farm: Door, tmp_path: Path) -> None:
        files = {"tinybase/__init__.py": "raise OSError('not on this machine')\n"}
        wheel = make_wheel(tmp_path, "tinybase", "1.0", files, tag=f"cp{TAG}-cp{TAG}-linux_x86_64")
        finished = farm.inv("wheel.gate", str(wheel))
        assert finished.returncode == 60
        assert "extensions: expected some, found none" in finished.stderr
        assert "no bill of materials" in finished.stderr
        assert "import tinybase: OSError: not on this machine" in finished.stderr
        broken = make_wheel(tmp_path, "broken", fault=Fault.WRONG_HASH)
        for task in ("wheel.gate", "wheel.inspect"):
            assert farm.inv(task, str(broken)).returncode == 51
        pure = make_wheel(tmp_path, "tinytop", "1.0")
        assert "not for CPython" in farm.inv("wheel.gate", str(pure)).stderr
        assert "a pure wheel needs no repair" in farm.inv("wheel.repair", str(pure)).stderr

    def test_repair(self, farm: Door, tmp_path: Path) -> None:
        library = elf("int mine(void) { return 1; }", soname="libmine.so")
        extension = elf("int mine(void); int f(void) { return mine(); }", needs=("libmine.so",))
        tag = f"cp{TAG}-cp{TAG}-linux_x86_64"
        wheel = make_wheel(tmp_path, "demo", "1.0", {"demo/ext.so": extension}, tag=tag)
        libraries = tmp_path / "lib"
        libraries.mkdir()
        lost = farm.inv("wheel.repair", str(wheel), "--output", str(tmp_path / "out"))
        assert lost.returncode == 50
        assert "libmine.so" in lost.stderr
        (libraries / "libmine.so").write_bytes(library)
        words = ("wheel.repair", str(wheel), "--libraries", str(libraries), "--output", str(tmp_path / "out"))
        finished = farm.inv(*words)
        assert finished.returncode == 0, finished.stderr
        path = Path(finished.stdout.strip())
        assert path.is_file()
        assert "manylinux" in path.name
        linked = data(farm.inv("wheel.inspect", str(path), "--json"))
        assert "demo.libs/libmine" in json.dumps(linked)


class TestDiff:
    def test_two_files(self, farm: Door, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        one = make_wheel(tmp_path, "tinytop", "1.0", {"tinytop.py": "x = 1\n"})
        other = make_wheel(tmp_path / "other", "tinytop", "1.1", {"tinytop.py": "", "more.py": ""})
        finished = farm.inv("wheel.diff", str(one), str(other))
        assert finished.returncode == 0, finished.stderr
        lines = finished.stdout.splitlines()
        assert lines[0].endswith(" members differ, 0 only before, 1 only after")
        assert lines[1:3] == [f"--- {one.name}", f"+++ {other.name}"]
        assert ["version", "1.0", "1.1"] in [line.split() for line in lines]
        assert ["more.py", "-", "0"] in [line.split() for line in lines]
        assert data(farm.inv("wheel.diff", str(one), str(one), "--json")) == {
            "before": one.name,
            "after": one.name,
        }
        assert farm.inv("wheel.diff", str(one), str(one)).stdout.startswith("no difference\n")

    def test_the_farms_wheel_and_a_file(self, farm: Door, tmp_path: Path) -> None:
        other = make_wheel(tmp_path, "tinytop", "1.0", {"tinytop.py": ""})
        found = data(farm.inv("wheel.diff", "tinytop", str(other), "--json"))
        assert found["before"].startswith(f"tinytop-1.0-cp{TAG}-")
        assert found["after"] == other.name
        assert found["sizes"]["extension"]["after"] == 0
        assert {"member": "tinytop.py", "before": None, "after": 0} in found["members"]

    def test_the_farms_wheel_and_the_public_one(self, farm: Door, tmp_path: Path) -> None:
        own = Index(tmp_path / "index")
        own.add(make_wheel(tmp_path, "tinytop", "1.0", {"tinytop.py": ""}))
        found = data(farm.inv("wheel.diff", "public", "tinytop", "--json", WHEELFARM_INDEX_URL=own.url))
        assert found["before"] == "tinytop-1.0-py3-none-any.whl"
        assert found["after"].startswith(f"tinytop-1.0-cp{TAG}-")

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (("public", "public"), 2, "`public` of which distribution?"),
            (("a.whl", "b.whl"), 2, "there is no file a.whl"),
            (("tinytop", "tinybase"), 2, "only one of the two can be a distribution"),
            (("public", "tinytpo"), 2, "did you mean 'tinytop'?"),
        ],
    )
    def test_words_that_mean_nothing(
        self, farm: Door, arguments: tuple[str, ...], code: int, said: str
    ) -> None:
        finished = farm.inv("wheel.diff", *arguments)
        assert (finished.returncode, said in finished.stderr) == (code, True), finished.stderr

    def test_two_distributions(self, farm: Door, tmp_path: Path) -> None:
        other = make_wheel(tmp_path, "other", "1.0", {})
        finished = farm.inv("wheel.diff", "tinytop", str(other))
        assert finished.returncode != 0
        assert "tinytop and other are two distributions" in finished.stderr
