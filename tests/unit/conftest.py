"""What several unit tests need: a wheelhouse, and what it told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.surveyed import Stock, chain
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


@pytest.fixture
def stock(tmp_path: Path) -> Stock:
    """An empty wheelhouse for wheels with whole records."""
    return Stock(tmp_path)


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    """A wheelhouse with base, middle and top, to look at only."""
    return chain(tmp_path_factory.mktemp("three"))


@pytest.fixture
def chained(three: Stock, tmp_path: Path) -> Stock:
    """A copy of it that may be changed."""
    return three.copy(tmp_path / "copy")
