"""Fixtures that several packages share: wheelhouses, an index of tiny packages, a farm that is built."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from support.edited import edited_farm, edited_index
from support.index import Index, add_meson
from support.patches import FILES, PatchMaker, write
from support.surveyed import Stock
from support.surveyed import chain as chain_of_wheels
from support.tiny import run_farm, tiny_farm, tiny_index
from wheelfarm.recipes.settings import Settings, load
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The messages of the farm's loggers."""
    caplog.set_level("INFO", "wheelfarm")
    return caplog


class _ListHandler(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        self.lines.append(f"{level}{record.getMessage()}")


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """The messages of the farm so far, as a person reads them."""
    logger, handler = logging.getLogger("wheelfarm"), _ListHandler()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Wheelhouse:
    """An empty wheelhouse."""
    return Wheelhouse(tmp_path / "wheelhouse", timeout=5)


@pytest.fixture
def stock(tmp_path: Path) -> Stock:
    """An empty wheelhouse for wheels with whole records."""
    return Stock(tmp_path)


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    """A wheelhouse with base, middle and top, to look at only."""
    return chain_of_wheels(tmp_path_factory.mktemp("three"))


@pytest.fixture
def chained(three: Stock, tmp_path: Path) -> Stock:
    """A copy of it that may be changed."""
    return three.copy(tmp_path / "copy")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def index(shared: Path) -> Index:
    """An index with the tiny packages and what they need to be built."""
    if sys.platform != "linux":
        pytest.skip("the tiny packages are written for gcc and ELF")
    with FileLock(shared / "index.lock"):
        if not (shared / "index").is_dir():
            tiny_index(shared / "index.new")
            (shared / "index.new").rename(shared / "index")
    return Index(shared / "index")


@pytest.fixture(scope="session")
def meson_index(shared: Path) -> Index:
    """An index that also has what Meson projects need to be built."""
    if sys.platform != "linux":
        pytest.skip("the tiny packages are written for gcc and ELF")
    with FileLock(shared / "meson-index.lock"):
        if not (shared / "meson-index").is_dir():
            add_meson(tiny_index(shared / "meson-index.new"))
            (shared / "meson-index.new").rename(shared / "meson-index")
    return Index(shared / "meson-index")


PATCH = """\
Why: so that the chain has a patch.
Upstream: none, inappropriate

--- a/native/tiny.c
+++ b/native/tiny.c
@@ -1 +1 @@
-int tiny_answer(void) { return 42; }
+int tiny_answer(void) { return 41 + 1; }
"""
PATCHED = {"tinybase": {"patches": [{"file": "0001-sum.patch"}]}, "tinytop": {}}


@pytest.fixture(scope="session")
def built(shared: Path, index: Index) -> Path:
    """A farm in which the chain of both packages was built, once for all workers."""
    root = shared / "built"
    with FileLock(shared / "built.lock"):
        if not (root / "states").exists():
            # Its path is in the build key: copies of the farm keep it, and take turns.
            stages = {"stages": str(shared / "stages")}
            patches = {"tinybase/0001-sum.patch": PATCH}
            settings = tiny_farm(root, index, PATCHED, settings=stages, patches=patches)
            run = run_farm(settings)
            assert run.states == {"tinybase": "built", "tinytop": "built"}, [
                outcome.error for outcome in run.outcomes.values()
            ]
            assert not list(settings.stages.glob("*/*"))
            (root / "states").touch()
    return root


@pytest.fixture(scope="session")
def edited(shared: Path) -> Path:
    """A farm in which a chain was built whose recipes edit the metadata, once for all workers."""
    if sys.platform != "linux":
        pytest.skip("the tiny packages are written for gcc and ELF")
    root = shared / "edited"
    with FileLock(shared / "edited.lock"):
        if not (root / "states").exists():
            index = edited_index(shared / "edited-index")
            settings = edited_farm(root, index, stages=str(shared / "edited-stages"))
            run = run_farm(settings)
            assert run.states == {"tinybase": "built", "tinytop": "built"}, [
                outcome.error for outcome in run.outcomes.values()
            ]
            (root / "states").touch()
    return root


@pytest.fixture
def edited_chain(edited: Path, tmp_path: Path) -> Settings:
    """A copy of that farm."""
    root = shutil.copytree(edited, tmp_path / "farm", symlinks=True)
    return load(root, environ={"PATH": os.environ["PATH"], "HOME": str(root / "home")})


@pytest.fixture
def chain(built: Path, tmp_path: Path) -> Settings:
    """A copy of that farm."""
    root = tmp_path / "farm"
    shutil.copytree(built, root, symlinks=True)
    return load(root, environ={"PATH": os.environ["PATH"], "HOME": str(root / "home")})


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree to patch."""
    return write(tmp_path / "tree", FILES)


@pytest.fixture
def make(tmp_path: Path) -> PatchMaker:
    """Makes patches for that tree."""
    return PatchMaker.create(tmp_path)
