"""A stamp vouches for what the plan read, and for nothing that was edited while the farm ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.farm import make_farm
from wheelfarm.pipeline import Farm
from wheelfarm.tasks.stamp import input_states, write_stamp

if TYPE_CHECKING:
    from pathlib import Path


def _written(tmp_path: Path, edited: str | None) -> bool:
    settings = make_farm(tmp_path, settings={"engine": "host"})
    farm = Farm(settings=settings)
    before = input_states(settings)
    plan = farm.plan(None)
    if edited:
        (tmp_path / edited).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / edited).write_text("# edited\n")
    path = tmp_path / "stamp.json"
    write_stamp(path, farm, plan, (), before)
    return path.exists()


def test_it_is_written(tmp_path: Path) -> None:
    assert _written(tmp_path, None)


def test_not_after_an_edit(tmp_path: Path) -> None:
    for name in ("recipes/alpha/recipe.toml", "patches/alpha/0001-new.patch", "requirements/farm.txt"):
        assert not _written(tmp_path / name.replace("/", "-"), name)
