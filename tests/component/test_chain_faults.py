"""Whatever goes wrong in a build: it is told by its class, nothing is stored, and the others go on."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.index import Index
from support.packages import make_sdist, tinyleaf
from support.tiny import LEAF, VARIANT, child_command, run_farm, tiny_farm, tiny_index
from wheelfarm.errors import FarmError
from wheelfarm.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.settings import Settings

BROKEN = """\
Why: so that the compiler dies.
Upstream: none, inappropriate

--- a/native/{file}
+++ b/native/{file}
@@ -1 +1 @@
-{old}
+#error the farm's own mistake
"""


def check_nothing_stored(settings: Settings) -> None:
    assert list(Wheelhouse(settings.wheelhouse).entries(VARIANT)) == []
    assert not list(settings.wheelhouse.rglob("*.whl"))
    assert not list(settings.wheelhouse.glob("*/records/*"))


def failed(settings: Settings, name: str = "tinyleaf") -> FarmError:
    """Run the farm; the error of a build, after which nothing is stored."""
    run = run_farm(settings)
    assert run.states[name] == "failed", run.states
    check_nothing_stored(settings)
    return run.error(name)


def leaf_of(files: Mapping[str, str], tmp_path: Path, said: Table | None = None) -> Settings:
    """A farm whose tinyleaf has another source."""
    index = tiny_index(tmp_path / "index", tinyleaf=files)
    return tiny_farm(tmp_path / "farm", index, {"tinyleaf": said or {}})


def test_a_compiler_that_dies_stops_only_what_needs_it(index: Index, tmp_path: Path) -> None:
    patch = BROKEN.format(file="tiny.c", old="int tiny_answer(void) { return 42; }")
    listed = {"patches": [{"file": "0001-break.patch"}]}
    settings = tiny_farm(
        tmp_path / "farm",
        index,
        {"tinybase": listed, "tinyleaf": {}, "tinytop": {}},
        patches={"tinybase/0001-break.patch": patch},
    )
    run = run_farm(settings)
    assert run.states == {"tinybase": "failed", "tinyleaf": "built", "tinytop": "blocked"}
    error = run.error("tinybase")
    assert (error.slug, error.where) == ("build", "recipes/tinybase/recipe.toml")
    assert "#error the farm's own mistake" in str(error.why)
    assert error.log is not None
    assert "the farm's own mistake" in error.log.read_text()
    assert [line.partition(":")[0] for line in error.lines() if re.match(r"  \S", line)][-2:] == [
        "  log",
        "  next",
    ]
    assert run.outcomes["tinytop"].why.startswith("blocked by tinybase")
    # One can look at it, and the next run succeeds after the patch is gone.
    assert (settings.work / "stages" / run.build("tinybase").id.slug / "source" / "setup.py").is_file()
    (settings.patches / "tinybase" / "0001-break.patch").unlink()
    recipe = settings.recipes / "tinybase" / "recipe.toml"
    recipe.write_text(recipe.read_text().partition("[[patches]]")[0])
    assert run_farm(settings, "tinybase").states == {"tinybase": "built"}


class TestGate:
    def test_a_failing_smoke_test(self, index: Index, tmp_path: Path) -> None:
        smoke = {"recipes/tinyleaf/smoke.py": 'raise SystemExit("it smokes")\n'}
        settings = tiny_farm(tmp_path / "farm", index, LEAF, files=smoke)
        error = failed(settings)
        assert error.slug == "test"
        assert str(error.why) == "smoke.py: SystemExit: it smokes"
        # What was compiled is kept: after a correction, only the gate is passed.
        (settings.recipes / "tinyleaf" / "smoke.py").write_text("import tinyleaf\n")
        run = run_farm(settings)
        assert run.states == {"tinyleaf": "built"}
        assert not any("Building wheel" in line for line in run.lines)

    def test_a_module_that_does_not_import(self, index: Index, tmp_path: Path) -> None:
        settings = tiny_farm(tmp_path / "farm", index, {"tinyleaf": {"test": {"imports": ["tinyleaf.no"]}}})
        error = failed(settings)
        assert (error.slug, error.why) == (
            "test",
            "import tinyleaf.no: ModuleNotFoundError: No module named 'tinyleaf.no'",
        )

    def test_expectations_that_are_not_met(self, tmp_path: Path) -> None:
        files = tinyleaf() | {"tinyleaf/tests/test_it.py": ""}
        files["pyproject.toml"] = files["pyproject.toml"].replace(
            'packages = ["tinyleaf"]', 'packages = ["tinyleaf", "tinyleaf.tests"]'
        )
        error = failed(leaf_of(files, tmp_path, {"expect": {"blas": "openblas", "tests": False}}))
        assert error.exit_code == 60
        text = str(error)
        assert "expected openblas, found none" in text
        assert "tests: expected none inside, found" in text
        assert "recipes/tinyleaf/recipe.toml: expect.blas" in text


BACKEND = """\
import sys
from pathlib import Path

from setuptools.build_meta import *
from setuptools.build_meta import build_wheel as build


def build_wheel(directory, settings=None, metadata=None):
    name = build(directory, settings, metadata)
    {then}
    return name
"""


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("(Path(directory) / name).unlink()", "left no wheel for tinyleaf"),
        ("(Path(directory) / f'x-{name}').write_bytes(b'')", "left 2 wheels for tinyleaf"),
    ],
)
def test_a_build_yields_one_wheel(tmp_path: Path, then: str, said: str) -> None:
    files = tinyleaf() | {"backend.py": BACKEND.format(then=then)}
    files["pyproject.toml"] = files["pyproject.toml"].replace(
        'build-backend = "setuptools.build_meta"', 'build-backend = "backend"\nbackend-path = ["."]'
    )
    error = failed(leaf_of(files, tmp_path))
    assert error.slug == "yield"
    assert said in error.what


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "tinyleaf"', 'name = "otherleaf"', "made otherleaf 1.0"),
        ('version = "1.0"', 'version = "1.0.1"', "made tinyleaf 1.0.1"),
    ],
)
def test_a_wheel_of_another_name_or_version(tmp_path: Path, old: str, new: str, said: str) -> None:
    files = tinyleaf()
    files["pyproject.toml"] = files["pyproject.toml"].replace(old, new, 1)
    error = failed(leaf_of(files, tmp_path))
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

    def test_an_index_that_cannot_be_reached(self, index: Index, tmp_path: Path) -> None:
        settings = tiny_farm(tmp_path / "farm", index, LEAF, settings={"index-url": "http://127.0.0.1:9/"})
        error = failed(settings)
        assert (error.slug, error.exit_code) == ("network", 20)
        assert "127.0.0.1:9" in str(error.where)

    def test_a_full_cache_needs_no_network(self, index: Index, tmp_path: Path) -> None:
        settings = tiny_farm(tmp_path / "farm", index, LEAF, settings={"offline": True})
        first = failed(replace(settings, index_url="http://127.0.0.1:9/"))
        assert (first.slug, "offline" in first.what) == ("network", True)
        run = run_farm(settings)
        assert run.states == {"tinyleaf": "built"}
        recipe = settings.recipes / "tinyleaf" / "recipe.toml"
        recipe.write_text(recipe.read_text() + '[environment]\nA = "1"\n')
        again = run_farm(replace(settings, index_url="http://127.0.0.1:9/"))
        assert again.states == {"tinyleaf": "built"}


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
        assert failed(settings).slug == "stage"

    def test_a_full_wheelhouse(self, index: Index, tmp_path: Path) -> None:
        settings = tiny_farm(tmp_path / "farm", index, LEAF)
        full = child(settings, "tinyleaf", "--full")
        assert full == {"states": {"tinyleaf": "failed"}, "errors": {"tinyleaf": "wheelhouse"}}
        check_nothing_stored(settings)
        run = run_farm(settings)
        assert run.states == {"tinyleaf": "built"}


def child(settings: Settings, *words: str) -> dict[str, Any]:
    argv, keywords = child_command(settings, *words)
    finished = subprocess.run(argv, check=True, stdout=subprocess.PIPE, **keywords)
    return dict(json.loads(finished.stdout.splitlines()[-1]))
