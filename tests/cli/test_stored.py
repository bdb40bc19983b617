"""inv test and inv report, in a farm whose chain was built."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.index import Index
from support.markup import Page
from support.suite import runner
from support.wheels import make_wheel
from wheelfarm.model import Digest, Name, sha256_of_json
from wheelfarm.recipes.settings import load
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

    from support.door import Done
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


def _add_suite(chain: Settings, root: Path) -> Index:
    """Add a suite to the recipe of tinytop, with its lock and the index for that."""
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


def _store_tests(chain: Settings, root: Path) -> None:
    """A tests wheel in the wheelhouse, as the build of its package would leave it."""
    files = {"tinytop/tests/__init__.py": "", "tinytop/tests/test_top.py": TESTS}
    wheel = make_wheel(root, "tinytop-tests", "1.0", files)
    wheelhouse = Wheelhouse(chain.wheelhouse)
    (stored,) = wheelhouse.current(chain.variant, Name("tinytop"))
    record = json.loads(wheelhouse.record(chain.variant, stored.key))
    key: Digest = sha256_of_json("tests")
    described = {"filename": wheel.name, "sha256": sha256_of_file(wheel), "size": wheel.stat().st_size}
    record |= {"key": key, "wheel": record["wheel"] | described}
    wheelhouse.store(
        wheel, sha256=sha256_of_file(wheel), variant=chain.variant, key=key, record=json.dumps(record)
    )


@pytest.mark.slow  # runs pytest in a new environment, as gate/test_suite.py does
def test_the_suite_of_a_stored_wheel(farm: Door, chain: Settings, tmp_path: Path) -> None:
    index = _add_suite(chain, tmp_path / "suite")
    _store_tests(chain, tmp_path)
    finished = farm.inv("test", "tinytop", "--jobs", "1", WHEELFARM_INDEX_URL=index.url)
    assert finished.returncode == 62, finished.stderr
    assert "1 passed, 1 failed, 1 known failures, 0 known failures that passed" in finished.stdout
    assert "testing tinytop 1.0 (" in finished.stderr
    assert "the upstream suite has 1 failure" in finished.stderr
    assert "tinytop/tests/test_top.py::test_new: assert 42 == 43" in finished.stderr
    (results,) = (chain.work / "logs").glob("tinytop-*-suite.xml")
    assert str(results) in finished.stderr


@pytest.mark.slow
def test_without_a_suite_or_a_tests_wheel_the_gate_tests_it(
    farm: Door, chain: Settings, tmp_path: Path
) -> None:
    """tinytop was tested with this tinybase in its own gate."""
    _add_suite(chain, tmp_path / "suite")
    finished = farm.inv("test", "tinybase,tinytop", "--fast")
    assert finished.returncode == 0, finished.stderr
    assert "recipes/tinybase/recipe.toml has no [test.suite]; the gate tests it instead" in finished.stderr
    assert "the wheelhouse has no tinytop-tests 1.0 for cp311-" in finished.stderr
    assert "nox -s build-tinytop makes it" in finished.stderr
    assert "smoke (Python 3.11): passed" in finished.stdout
    assert "smoke (tinytop 1.0): passed in its own gate, with this very wheel" in finished.stdout


def test_an_open_quote_in_the_words_for_pytest_is_an_error(farm: Door) -> None:
    finished = farm.inv("test", "tinytop", "--pytest", "-k 'a")
    assert finished.returncode == 2
    assert "--pytest" in finished.stderr


def _read_page(finished: Done, file: Path) -> Page:
    assert finished.returncode == 0, finished.stderr
    assert f"{file}: 2 wheels" in finished.stderr
    assert finished.stdout == ""
    found = Page.read(file.read_text(encoding="utf-8"))
    assert found.faults == []
    return found


@pytest.mark.slow  # builds two packages
def test_the_report_of_a_chain(farm: Door, tmp_path: Path) -> None:
    own = Index(tmp_path / "index")
    wheel = load(farm.root, environ={}).wheelhouse.rglob("tinytop-*.whl")
    tag = next(wheel).stem.removeprefix("tinytop-1.0-")
    own.add(make_wheel(tmp_path, "tinytop", "1.0", {"tinytop/tests/test_all.py": "x" * 500}, tag=tag))
    file = load(farm.root, environ={}).work / "report.html"
    page = _read_page(farm.inv("report", WHEELFARM_INDEX_URL=own.url), file)
    # Digests show which wheel was built on which, and the record has the gate.
    assert "tinytop on tinybase" in page.words
    assert "extension modules" in page.words
    assert "smoke passed passed" in page.words
    assert "Public: tinytop-1.0-" in page.words
    assert "No public wheel to compare with: " in page.words
    first = file.read_bytes()
    _read_page(farm.inv("report", WHEELFARM_INDEX_URL=own.url), file)
    assert file.read_bytes() == first


def test_a_report_without_the_public_wheels(farm: Door, tmp_path: Path) -> None:
    file = tmp_path / "new" / "page.html"
    page = _read_page(farm.inv("report", "--no-public", "--output", str(file), "--variant", "plain"), file)
    assert "Public wheels are left out: --no-public" in page.words


def test_the_report_as_data(farm: Door) -> None:
    file = load(farm.root, environ={}).work / "report.html"
    file.unlink(missing_ok=True)
    finished = farm.inv("report", "--json", "--offline", "--packages", "tinytop", "--limit", "1k")
    assert finished.returncode == 0, finished.stderr
    data = json.loads(finished.stdout)
    (variant,) = data["variants"]
    assert [each["name"] for each in variant["wheels"]] == ["tinybase", "tinytop"]
    assert (data["limit"], data["public"]) == (1000, "the farm is offline")
    assert [each["names"] for each in variant["sets"]] == [["tinybase", "tinytop"]]
    assert not file.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--limit", "much"), "'much' is no size"),
        (("--variant", "plian"), "unknown variant 'plian'"),
        (("--no-public", "--output", "recipes"), "recipes is a directory"),
    ],
)
def test_a_wrong_option_of_report_is_an_error(farm: Door, words: tuple[str, ...], message: str) -> None:
    finished = farm.inv("report", *words)
    assert finished.returncode != 0
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr
