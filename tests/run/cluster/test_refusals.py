"""Workers that may not or cannot have a build, and clusters that are not there."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.dask_cluster import RESOURCES, SOURCE, can_mount, dask_cluster, label, messages_of
from support.indexes import free_port
from support.tiny import LEAF, run_farm, tiny_farm
from wheelfarm.errors import EngineError
from wheelfarm.run.cluster.client import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.dask_cluster import DaskCluster
    from support.farm import Table
    from support.index import Index
    from wheelfarm.errors import FarmError

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    """A scheduler whose workers the test starts."""
    with dask_cluster(tmp_path / "dask", 0) as cluster:
        yield cluster


def refused(index: Index, root: Path, cluster: DaskCluster, **recipe: object) -> FarmError:
    """The error of a build that no worker takes."""
    settings = tiny_farm(root / "farm", index, {"tinyleaf": recipe}, settings=cluster.settings())
    run = run_farm(settings)
    assert run.states == {"tinyleaf": "failed"}, messages_of(cluster)
    error = run.error("tinyleaf")
    assert error.slug == "engine"
    assert error.what.startswith("no worker fits tinyleaf")
    assert "dask worker" in str(error.hint)
    return error


def test_a_worker_of_another_wheelfarm_refuses(index: Index, tmp_path: Path, cluster: DaskCluster) -> None:
    source = tmp_path / "other"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    init = source / "wheelfarm" / "__init__.py"
    init.write_text(init.read_text().replace('__version__ = "', '__version__ = "9.'))
    cluster.start_worker("newer", source=source)
    cluster.wait_for_workers(1)
    assert "it has wheelfarm 9.0.1.0, and the farm 0.1.0" in str(refused(index, tmp_path, cluster).why)


def test_a_worker_with_other_code_of_the_same_version_refuses(
    index: Index, tmp_path: Path, cluster: DaskCluster
) -> None:
    source = tmp_path / "other"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    with (source / "wheelfarm" / "build" / "repair.py").open("a") as file:
        file.write("# edited\n")
    cluster.start_worker("edited", source=source)
    cluster.wait_for_workers(1)
    assert "other code" in str(refused(index, tmp_path, cluster).why)


@pytest.mark.skipif(not can_mount(), reason="only root can put another compiler there")
def test_a_worker_with_another_compiler_names_it_and_another_worker_builds(
    index: Index, tmp_path: Path, cluster: DaskCluster, messages: list[str]
) -> None:
    compiler = Path(shutil.which("cc") or "/usr/bin/cc").resolve()
    fake = tmp_path / "cc"
    fake.write_text("#!/bin/sh\necho 'cc (Other) 99.1.0'\n")
    fake.chmod(0o755)
    cluster.start_worker("other", binds={compiler: fake})
    cluster.wait_for_workers(1)
    why = str(refused(index, tmp_path, cluster).why)
    assert "compiler.c changed from" in why
    assert "99.1.0" in why
    cluster.start_worker("same")
    cluster.wait_for_workers(2)
    recipes: dict[str, Table] = {"tinybase": {}, "tinyleaf": {}}
    settings = tiny_farm(tmp_path / "farm", index, recipes, settings=cluster.settings())
    assert run_farm(settings).states == {"tinybase": "built", "tinyleaf": "built"}
    assert any("does not build it: compiler.c" in line for line in messages)


def test_a_missing_label_and_too_little_memory_are_named(
    index: Index, tmp_path: Path, cluster: DaskCluster
) -> None:
    cluster.start_worker("arm", {**RESOURCES, label(): 0})
    cluster.start_worker("small", {**RESOURCES, "memory": 1e9})
    cluster.wait_for_workers(2)
    why = str(refused(index, tmp_path, cluster, memory="8G").why)
    assert f"no resource {label()}" in why
    assert "memory=1e+09 of 8e+09" in why


def test_each_kind_of_workers_has_a_budget(cluster: DaskCluster) -> None:
    both = {**RESOURCES, "cpus": 4, "linux-aarch64": 1}
    cluster.start_worker("both", both)
    cluster.start_worker("one", RESOURCES)
    cluster.wait_for_workers(2)
    client = Cluster(address=cluster.address, store=None)
    try:
        budget = client.budget({("host", label()), ("host", "linux-aarch64"), ("host", "linux-s390x")})
    finally:
        client.close()
    assert (budget.cpus, budget.largest, budget.memory) == (5, 4, 4_000_000_000)
    assert {kind: (each.cpus, each.largest) for kind, each in budget.kinds.items()} == {
        f"host {label()}": (5, 4),
        "host linux-aarch64": (4, 4),
    }


def test_a_cluster_without_workers_is_an_error(index: Index, tmp_path: Path, cluster: DaskCluster) -> None:
    settings = tiny_farm(tmp_path / "farm", index, LEAF, settings=cluster.settings())
    with pytest.raises(EngineError, match="no worker is there") as caught:
        run_farm(settings)
    assert f"dask worker {cluster.address}" in str(caught.value.hint)


def test_no_scheduler_is_an_error_within_seconds(index: Index, tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    settings = tiny_farm(tmp_path / "farm", index, LEAF, settings={"workers": address})
    began = time.monotonic()
    with pytest.raises(EngineError, match=f"no Dask scheduler answers at {address}") as caught:
        run_farm(settings)
    assert time.monotonic() - began < 20
    assert "dask scheduler" in str(caught.value.hint)


def test_a_missing_library_is_named_with_the_extra(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    settings = tiny_farm(tmp_path / "farm", index, LEAF, settings={"workers": "tcp://127.0.0.1:1"})
    with pytest.raises(EngineError, match="library that is not installed") as caught:
        run_farm(settings)
    assert "wheelfarm[dask]" in str(caught.value.hint)
