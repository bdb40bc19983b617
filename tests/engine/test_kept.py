"""Kept build directories in containers: a Meson project through real cibuildwheel, with the real ccache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.index import Index, add_meson
from support.keeping import NAME, TEXTS, WITHOUT, made, run, sha256
from wheelfarm.build.cibuildwheel_engine import volumes_of
from wheelfarm.build.containers import container_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.farm import Table
    from support.tiny import Run


@pytest.fixture
def meson(index: Index, tmp_path: Path) -> Index:
    """The index with the Meson project."""
    own = Index(tmp_path / "index")
    own.add(*(index.root / "files").iterdir())
    add_meson(own)
    return own


@pytest.fixture
def farm(meson: Index, container: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Runs of one farm, whose volumes go at the end."""
    runs: list[Run] = []

    def farm(changed: dict[str, str] | None = None, **settings: bool) -> Run:
        words: Table = {"engine": "cibuildwheel", **settings}
        runs.append(run(tmp_path / "farm", meson, changed, container, words))
        return runs[-1]

    yield farm
    engine = container_engine(runs[0].settings)
    assert engine is not None
    (volume,) = engine.volumes(volumes_of(runs[0].settings))
    assert engine.remove_volume(volume.name)


def log_of(run: Run) -> str:
    (log,) = (path.read_text() for path in run.settings.work.joinpath("logs").glob(f"{NAME}-*_64.log"))
    return log


def test_a_text_needs_neither_compiler_nor_auditwheel_and_a_source_both(farm: Callable[..., Run]) -> None:
    """What comes out is what a clean build makes, to the byte."""
    values, kept, _ = made(farm())
    assert (values, kept) == ("13 2 7 1 5 3", False)
    second = farm(TEXTS)
    assert made(second) == ("13 2 7 1 5 3", True, ())
    assert "the last repair serves again" in log_of(second)
    assert "auditwheel.main_repair" not in log_of(second)
    clean = farm(TEXTS, **WITHOUT)
    assert made(clean)[1] is False
    assert "auditwheel.main_repair" in log_of(clean)
    assert sha256(clean) == sha256(second)
    third = farm({"native/two.c": "int two(void) { return 20; }\n"})
    values, kept, missed = made(third)
    assert (values, kept, missed) == ("13 20 7 1 5 3", True, ("two.c",))
    assert "auditwheel.main_repair" in log_of(third)
