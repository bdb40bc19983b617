"""`inv test`: with a tests wheel in the wheelhouse and without."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.index import Index
from support.suite import runner
from support.wheels import make_wheel
from wheelfarm.model import Digest, Name, sha256_of_json
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tiny packages are for Linux")

SUITE = """
[test.suite]
args = ["--pyargs", "tinytop.tests"]
known-failures = [{ test = "tinytop/tests/test_top.py::test_known", reason = "it always did" }]
"""
TESTS = """\
import tinybase, tinytop

def test_chain(): assert tinytop.built_against() == tinybase.marker()
def test_known(): assert 0
def test_new(): assert tinybase.answer() == 43
"""


@pytest.fixture
def farm(chain: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(chain.root, capsys, monkeypatch)


def add_suite(chain: Settings, root: Path) -> Index:
    """Say a suite for tinytop, with its lock and the index for that."""
    recipe = chain.recipes / "tinytop"
    with (recipe / "recipe.toml").open("a", encoding="utf-8") as file:
        file.write(SUITE)
    root.mkdir()
    wheels = runner(root)
    index = Index(root / "index")
    index.add(*(wheel.path for wheel in wheels))
    lock = "".join(f"{each.name}=={each.version} --hash=sha256:{each.sha256}\n" for each in wheels)
    (recipe / "suite.lock").write_text(lock, encoding="utf-8")
    return index


def store_tests(chain: Settings, root: Path) -> None:
    """A tests wheel in the wheelhouse, as the build of its package would leave it."""
    files = {"tinytop/tests/__init__.py": "", "tinytop/tests/test_top.py": TESTS}
    wheel = make_wheel(root, "tinytop-tests", "1.0", files)
    wheelhouse = Wheelhouse(chain.wheelhouse)
    (stored,) = wheelhouse.current(chain.variant, Name("tinytop"))
    record = json.loads(wheelhouse.record(chain.variant, stored.key))
    key: Digest = sha256_of_json("tests")
    described = {"filename": wheel.name, "sha256": sha256_of_file(wheel), "size": wheel.stat().st_size}
    record |= {"key": key, "wheel": record["wheel"] | described}
    wheelhouse.store(wheel, sha256=sha256_of_file(wheel), variant=chain.variant, key=key, record=record)


def test_the_suite_of_a_stored_wheel(farm: Door, chain: Settings, tmp_path: Path) -> None:
    index = add_suite(chain, tmp_path / "suite")
    store_tests(chain, tmp_path)
    finished = farm.inv("test", "tinytop", "--jobs", "1", WHEELFARM_INDEX_URL=index.url)
    assert finished.returncode == 62, finished.stderr
    assert "1 passed, 1 failed, 1 known failures, 0 known failures that passed" in finished.stdout
    assert "1 tests of the upstream suite fail" in finished.stderr
    assert "tinytop/tests/test_top.py::test_new: assert 42 == 43" in finished.stderr
    (results,) = (chain.work / "logs").glob("tinytop-*-suite.xml")
    assert str(results) in finished.stderr


def test_without_a_tests_wheel_the_gate_tests_it(farm: Door, chain: Settings, tmp_path: Path) -> None:
    """And the message names the command that makes one."""
    add_suite(chain, tmp_path / "suite")
    finished = farm.inv("test", "tinytop")
    assert finished.returncode == 0, finished.stderr
    assert "the wheelhouse has no tinytop-tests 1.0 for cp311-" in finished.stderr
    assert "nox -s build-tinytop makes it" in finished.stderr
    assert "smoke (Python 3.11): passed" in finished.stdout


def test_a_recipe_without_a_suite_and_several_packages(farm: Door) -> None:
    """tinytop was tried with this tinybase in its own gate."""
    finished = farm.inv("test", "tinybase,tinytop", "--fast")
    assert finished.returncode == 0, finished.stderr
    assert "recipes/tinytop/recipe.toml has no [test.suite]; the gate tests it instead" in finished.stderr
    assert "smoke (tinytop 1.0): passed in its own gate, with this very wheel" in finished.stdout


def test_words_for_pytest_that_are_not_closed(farm: Door) -> None:
    finished = farm.inv("test", "tinytop", "--pytest", "-k 'a")
    assert finished.returncode == 2
    assert "--pytest" in finished.stderr
