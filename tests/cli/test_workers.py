"""`inv chain --workers`: what the option takes, and what is said when nobody is there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from support.dask_cluster import dask_cluster
from support.door import Door
from support.indexes import free_port

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def farm(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Door:
    """A copy of the farm whose chain is built."""
    root = tmp_path / "farm"
    shutil.copytree(built, root, symlinks=True)
    return Door(root, capsys, monkeypatch)


def test_an_address_that_is_none_is_an_error(farm: Door) -> None:
    finished = farm.inv("chain", "tinybase", "--workers", "scheduler")
    assert finished.returncode == 2
    assert "error[usage]: bad value 'scheduler'" in finished.stderr
    assert "where: --workers" in finished.stderr


def test_a_dry_run_needs_no_scheduler(farm: Door) -> None:
    finished = farm.inv("chain", "tinybase", "--workers", f"tcp://127.0.0.1:{free_port()}", "--dry-run")
    assert finished.returncode == 0, finished.stderr


def test_the_host_engine_has_no_second_processor_with_workers_either(farm: Door) -> None:
    workers = f"tcp://127.0.0.1:{free_port()}"
    platforms = "manylinux_x86_64,manylinux_aarch64"
    finished = farm.inv("chain", "all", "--platform", platforms, "--workers", workers)
    assert finished.returncode == 40
    assert "error[engine]: the host engine does not build for manylinux_aarch64 here" in finished.stderr
    assert "where: --platform" in finished.stderr
    assert "--engine cibuildwheel" in finished.stderr


def test_a_run_with_nothing_to_do_needs_no_scheduler(farm: Door) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    finished = farm.inv("chain", "all", "--workers", address)
    assert finished.returncode == 0, finished.stderr
    assert "2 cached" in finished.stderr


def test_the_time_of_a_plan_is_said_to_be_that_of_this_machine(farm: Door) -> None:
    finished = farm.inv("chain", "all", "--dry-run", "--workers", f"tcp://127.0.0.1:{free_port()}")
    assert "of this machine" not in finished.stderr, "nothing is to be built"
    (farm.root / "recipes" / "tinybase" / "smoke.py").write_text("import tinybase\n")
    finished = farm.inv("chain", "all", "--dry-run", "--workers", f"tcp://127.0.0.1:{free_port()}")
    assert "of this machine; workers: see inv plan --machines" in finished.stderr


@pytest.mark.slow
def test_no_scheduler_is_said_with_the_next_command(farm: Door) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    (farm.root / "recipes" / "tinybase" / "smoke.py").write_text("import tinybase\n")
    finished = farm.inv("chain", "tinybase", "--workers", address)
    assert finished.returncode == 40
    assert f"error[engine]: no Dask scheduler answers at {address}" in finished.stderr
    assert "next: start one, `dask scheduler --port 8786`" in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.slow
def test_a_gate_that_has_changed_is_passed_on_a_worker(farm: Door, tmp_path: Path) -> None:
    with dask_cluster(tmp_path / "dask", 1) as cluster:
        (farm.root / "recipes" / "tinybase" / "smoke.py").write_text("import tinybase\n")
        finished = farm.inv("chain", "tinybase", "--workers", cluster.address, "--json")
    assert finished.returncode == 0, finished.stderr
    assert "1 checked" in finished.stderr
