"""These tests need a container engine and a builder image, and fail where there is none: they never skip."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.door import Door
from support.farm import container_variables, make_farm
from wheelfarm.build.containers import container_engine


@pytest.fixture(scope="session")
def container(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables that a farm with containers needs."""
    environ = container_variables("HOME")
    settings = make_farm(tmp_path_factory.mktemp("farm"), environ=environ)
    assert container_engine(settings), "neither podman nor docker answers here: see .ci/provision-engine"
    return environ


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is here is marked."""
    for item in items:
        if "engine" in item.path.parts[-2:]:
            item.add_marker("engine")


@pytest.fixture
def farm(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Door:
    """The farm of the tiny packages with their wheels, whose tasks are called as from a shell."""
    return Door(Path(shutil.copytree(built, tmp_path / "farm", symlinks=True)), capsys, monkeypatch)
