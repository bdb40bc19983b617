"""Pure wheels in real containers, where cibuildwheel refuses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.pure import chain_index, pure_farm
from support.tiny import run_farm

if TYPE_CHECKING:
    from pathlib import Path

    from support.index import Index

pytestmark = pytest.mark.engine


def test_pure_recipes_are_built_in_containers(
    index: Index, container: dict[str, str], tmp_path: Path
) -> None:
    settings = pure_farm(
        tmp_path / "farm",
        chain_index(tmp_path, index),
        {"puresix": {}},
        settings={"engine": "cibuildwheel", "time-limit": 600.0},
        environ=container,
    )
    run = run_farm(settings)
    assert run.states == {"puresix": "built"}, [str(outcome.error) for outcome in run.outcomes.values()]
    record = run.record("puresix")
    assert (record.engine, run.wheel("puresix").name) == ("cibuildwheel", "puresix-1.0-py3-none-any.whl")
    assert {"setuptools", "build"} <= {each.name for each in record.build_requirements if each.sha256}
