"""The build cache in containers: a Meson project through real cibuildwheel, with the real ccache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.cached_builds import TEXTS, WITHOUT, made, run, sha256
from support.index import Index, add_meson
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
    own = index.copy(tmp_path / "index")
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
    assert engine.remove_volume(volume)


def test_a_changed_source_alone_is_compiled(farm: Callable[..., Run]) -> None:
    """The wheel is that of a clean build, to the byte."""
    values, cached, _ = made(farm())
    assert (values, cached) == ("13 2 7 1 5 3", False)
    second = farm(TEXTS)
    assert made(second) == ("13 2 7 1 5 3", True, ())
    clean = farm(TEXTS, **WITHOUT)
    assert made(clean)[1] is False
    assert sha256(clean) == sha256(second)
    third = farm({"native/two.c": "int two(void) { return 20; }\n"})
    assert made(third) == ("13 20 7 1 5 3", True, ("two.c",))
