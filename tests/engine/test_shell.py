"""A shell in a container of the builder image, with the mounts, the variables and the network of a build."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.tiny import CHAIN, run_farm, tiny_farm

if TYPE_CHECKING:
    from pathlib import Path

    from support.index import Index

pytestmark = pytest.mark.engine


@pytest.fixture
def door(
    index: Index,
    container: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Door, dict[str, str]]:
    """A farm whose wheels are built in containers."""
    settings = tiny_farm(
        tmp_path / "farm", index, CHAIN, settings={"engine": "cibuildwheel"}, environ=container
    )
    assert run_farm(settings).states == {"tinybase": "built", "tinytop": "built"}
    variables = {name: value for name, value in container.items() if name not in {"PATH", "HOME"}}
    return Door(tmp_path / "farm", capsys, monkeypatch), variables


def test_a_shell_in_a_container(door: tuple[Door, dict[str, str]]) -> None:
    farm, variables = door
    script = (
        "pwd; env; python -c 'import tinybase; print(tinybase.__file__)'; command -v cc; "
        "python -m build --no-isolation --wheel --outdir /tmp/built; ls /tmp/built; "
        "echo network: /sys/class/net/*; echo '# edited' >> setup.py"
    )
    root = farm / ".wheelfarm/stages"
    run = f'--run=bash -c "exec > home.txt 2>&1; {script}"'
    finished = farm.inv("shell", "tinytop", "--at=configure", run, **variables)
    assert finished.returncode == 0, finished.stderr
    (source,) = root.glob("tinytop-*/source")
    seen = (source / "home.txt").read_text()
    lines = seen.splitlines()
    assert lines[0] == "/project/source"
    assert "SOURCE_DATE_EPOCH=1600000000" in lines
    assert any(line.startswith("/opt/python/") and line.endswith("tinybase/__init__.py") for line in lines)
    assert any(line.startswith("tinytop-1.0-") and line.endswith(".whl") for line in lines)
    assert "/project/" in next(line for line in lines if line.endswith("/cc"))
    assert "network: /sys/class/net/lo" in lines
    assert (source / "setup.py").read_text().endswith("# edited\n")
    assert "2 edited files" in finished.stderr
    (source / "home.txt").unlink()
    taken = farm.inv("patch.save", "tinytop", "--from-build", **variables)
    assert taken.returncode == 0, taken.stderr
    assert (farm / ".wheelfarm/patches/tinytop/setup.py").read_text().endswith("# edited\n")
    shutil.rmtree(source.parent)
