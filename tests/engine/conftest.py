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


SAME_WORKER = {"test_wrong_image.py": "test_image.py"}
"""File → the file with whose tests its own take turns: the one makes images, the other counts them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is here is marked; the tests of a file run one after another, since they share what they built."""
    for item in items:
        if "engine" in item.path.parts[-2:]:
            item.add_marker("engine")
            if item.get_closest_marker("xdist_group") is None:
                item.add_marker(pytest.mark.xdist_group(SAME_WORKER.get(item.path.name, item.path.name)))


@pytest.fixture
def farm(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Door:
    """The farm of the tiny packages with their wheels, whose tasks are called as from a shell."""
    return Door(Path(shutil.copytree(built, tmp_path / "farm", symlinks=True)), capsys, monkeypatch)
