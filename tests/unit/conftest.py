"""What several unit tests need: a wheelhouse, and what it told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wheelfarm.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def told() -> list[str]:
    """What the wheelhouse told, line by line."""
    return []


@pytest.fixture
def house(tmp_path: Path, told: list[str]) -> Wheelhouse:
    """An empty wheelhouse."""
    return Wheelhouse(tmp_path / "house", tell=told.append, timeout=5)
