"""Faults of a real Dask cluster in the middle of a build."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final

import pytest
import pytest_socket

from support.dask_cluster import (
    WAIT,
    Proxy,
    can_mount,
    dask_cluster,
    messages_of,
    middle,
    slow,
    wheels_of,
)
from support.disks import small_disk
from support.namespaces import Network, can_have_namespaces
from support.packages import tinybase, tinyleaf
from support.servers import Reply, index_server
from support.store import check_tidy
from support.tiny import LEAF, VARIANT, child_command, run_farm, tiny_farm, tiny_index
from wheelfarm.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.dask_cluster import DaskCluster
    from support.farm import Table
    from support.index import Index
    from wheelfarm.recipes.settings import Settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_mount(), reason="only root can give workers directories of their own"),
]
SECONDS = 4.0


@pytest.fixture(scope="module")
def slow_index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """An index whose tinybase and tinyleaf take some seconds to build."""
    slowed = {"tinybase": slow(tinybase(), SECONDS), "tinyleaf": slow(tinyleaf(), SECONDS)}
    return tiny_index(tmp_path_factory.mktemp("slow"), **slowed)


def start_run(settings: Settings) -> subprocess.Popen[str]:
    """A run of the farm in another process."""
    words, keywords = child_command(settings)
    return subprocess.Popen(words, **keywords, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(run: subprocess.Popen[str], cluster: DaskCluster) -> dict[str, dict[str, str]]:
    """Its states and errors."""
    out, err = run.communicate(timeout=2 * WAIT)
    assert run.returncode == 0, f"{out}{err}{messages_of(cluster)}"
    found: dict[str, dict[str, str]] = json.loads(out)
    return found


def test_the_build_of_a_killed_worker_goes_to_another(slow_index: Index, tmp_path: Path) -> None:
    with dask_cluster(tmp_path / "dask") as cluster:
        settings = tiny_farm(tmp_path / "farm", slow_index, LEAF, settings=cluster.settings())
        run = start_run(settings)
        cluster.builder().kill()
        assert finish(run, cluster)["states"] == {"tinyleaf": "built"}
        check_tidy(settings.wheelhouse, VARIANT)


def test_a_worker_that_its_nanny_starts_again_gets_its_build(slow_index: Index, tmp_path: Path) -> None:
    with dask_cluster(tmp_path / "dask", 0) as cluster:
        worker = cluster.start_worker("watched", nanny=True)
        cluster.wait_for_workers(1)
        settings = tiny_farm(tmp_path / "farm", slow_index, LEAF, settings=cluster.settings())
        run = start_run(settings)
        cluster.builder()
        worker.kill_below_nanny()
        assert finish(run, cluster)["states"] == {"tinyleaf": "built"}
        check_tidy(settings.wheelhouse, VARIANT)


def test_the_build_of_a_worker_that_does_not_answer_goes_to_another(
    slow_index: Index, tmp_path: Path
) -> None:
    config = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "4s"}
    with dask_cluster(tmp_path / "dask", config=config) as cluster:
        settings = tiny_farm(tmp_path / "farm", slow_index, LEAF, settings=cluster.settings())
        run = start_run(settings)
        cluster.builder().stop_answering()
        assert finish(run, cluster)["states"] == {"tinyleaf": "built"}
        check_tidy(settings.wheelhouse, VARIANT)


@pytest.fixture
def network() -> Iterator[Network]:
    """A network of this machine, for namespaces."""
    if not can_have_namespaces():
        pytest.skip("only root can make network namespaces")
    with Network() as network:
        yield network


def test_the_build_of_a_worker_without_a_network_goes_to_another(
    slow_index: Index, tmp_path: Path, network: Network
) -> None:
    """A scheduler and four workers, each in a network namespace of its own; one cable is pulled."""
    config = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "4s"}
    with dask_cluster(tmp_path / "dask", 4, config=config, wait=False, network=network) as cluster:
        pytest_socket.socket_allow_hosts(["127.0.0.1", cluster.host], allow_unix_socket=True)
        cluster.wait_for_workers(4)
        assert len({cluster.host, *(worker.host for worker in cluster.workers)}) == 5
        recipes: dict[str, Table] = {"tinybase": {}, "tinyleaf": {}, "tinytop": {}}
        settings = tiny_farm(tmp_path / "farm", slow_index, recipes, settings=cluster.settings())
        run = start_run(settings)
        lost = cluster.builder()
        network.cut(lost.host)
        assert set(finish(run, cluster)["states"].values()) == {"built"}
        # What comes back has nothing to say any more.
        network.join(lost.host)
        cluster.wait_for_workers(3)
        check_tidy(settings.wheelhouse, VARIANT)
        assert set(finish(start_run(settings), cluster)["states"].values()) == {"cached"}


def test_a_scheduler_that_restarts_loses_no_run(slow_index: Index, tmp_path: Path) -> None:
    with dask_cluster(tmp_path / "dask") as cluster:
        settings = tiny_farm(tmp_path / "farm", slow_index, settings=cluster.settings())
        run = start_run(settings)
        cluster.builder()
        cluster.kill_scheduler()
        time.sleep(1)
        cluster.start_scheduler()
        # A service manager would start the workers again; they end with their scheduler.
        cluster.start_worker("worker2")
        assert finish(run, cluster)["states"] == {"tinybase": "built", "tinytop": "built"}
        check_tidy(settings.wheelhouse, VARIANT)


def test_a_farm_that_was_killed_takes_what_is_finished(slow_index: Index, tmp_path: Path) -> None:
    with dask_cluster(tmp_path / "dask", 1) as cluster:
        recipes: dict[str, Table] = {"tinybase": {}, "tinyleaf": {}, "tinytop": {}}
        settings = tiny_farm(tmp_path / "farm", slow_index, recipes, settings=cluster.settings())
        run = start_run(settings)
        deadline = time.monotonic() + WAIT
        while not wheels_of(settings) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2)
        run.kill()
        run.communicate()
        before = wheels_of(settings)
        assert before
        # The worker ends a build that nobody waits for.
        deadline = time.monotonic() + WAIT
        while list(cluster.workers[0].directory.glob("local/**/request.json")):
            assert time.monotonic() < deadline, messages_of(cluster)
            time.sleep(0.1)
        states = finish(start_run(settings), cluster)["states"]
        assert set(states.values()) == {"built", "cached"}
        assert [state for state in states.values() if state == "cached"] == ["cached"] * len(before)
        check_tidy(settings.wheelhouse, VARIANT)


def test_an_interrupt_ends_the_build_on_its_worker(slow_index: Index, tmp_path: Path) -> None:
    with dask_cluster(tmp_path / "dask", 1) as cluster:
        settings = tiny_farm(tmp_path / "farm", slow_index, LEAF, settings=cluster.settings())
        run = start_run(settings)
        worker = cluster.builder()
        time.sleep(0.5)
        began = time.monotonic()
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=WAIT)
        assert time.monotonic() - began < 10
        assert not list(worker.directory.glob("local/**/request.json"))
        assert not wheels_of(settings)


TWO: Final[Mapping[str, Table]] = {"tinybase": {}, "tinyleaf": {}}


def refusal(settings: Settings, messages: list[str]) -> str:
    """Why a worker does not build, and another one does."""
    assert run_farm(settings).states == {"tinybase": "built", "tinyleaf": "built"}
    (line,) = {each.partition(": ")[2] for each in messages if "does not build it" in each}
    return line


def test_a_build_leaves_a_worker_whose_disk_is_full(
    index: Index, tmp_path: Path, messages: list[str]
) -> None:
    with dask_cluster(tmp_path / "dask", 0, wait=False) as cluster:
        cluster.start_worker("full", disk="size=200k")
        cluster.start_worker("whole")
        cluster.wait_for_workers(2)
        settings = tiny_farm(tmp_path / "farm", index, TWO, settings=cluster.settings())
        line = refusal(settings, messages)
        assert "disk is full" in line or "No space left" in line
        check_tidy(settings.wheelhouse, VARIANT)


def test_a_build_leaves_a_worker_that_cannot_keep_its_inputs(
    index: Index, tmp_path: Path, messages: list[str]
) -> None:
    with small_disk(tmp_path / "small", "size=100k") as cache, dask_cluster(tmp_path / "dask", 0) as cluster:
        cluster.start_worker("full", env={"WHEELFARM_CACHE": str(cache)})
        cluster.wait_for_workers(1)
        cluster.start_worker("whole")
        cluster.wait_for_workers(2)
        settings = tiny_farm(tmp_path / "farm", index, TWO, settings=cluster.settings())
        line = refusal(settings, messages)
        assert "the worker cannot keep a file" in line
        assert "disk is full" in line
        cluster.end()


class TestTransit:
    @pytest.mark.parametrize("answers", [False, True], ids=["input", "wheel"])
    def test_a_file_that_changes_on_its_way_is_sent_again(
        self, index: Index, tmp_path: Path, messages: list[str], *, answers: bool
    ) -> None:
        with dask_cluster(tmp_path / "dask", 1) as cluster:
            stages = {"stages": str(cluster.stages)}
            alone = tiny_farm(tmp_path / "alone", index, LEAF, settings=stages)
            run_farm(alone)
            (wheel,) = wheels_of(alone).values()
            source = (index.root / "files" / "tinyleaf-1.0.tar.gz").read_bytes()
            with Proxy(cluster.port, middle(wheel if answers else source), 1, answers=answers) as proxy:
                more = {**cluster.settings(), "workers": proxy.address}
                settings = tiny_farm(tmp_path / "farm", index, LEAF, settings=more)
                assert run_farm(settings).states == {"tinyleaf": "built"}
            assert proxy.changed == 1
            assert any("changed on its way" in each for each in messages)
            assert wheels_of(settings) == wheels_of(alone)

    def test_a_file_that_always_changes_is_an_error(self, index: Index, tmp_path: Path) -> None:
        with dask_cluster(tmp_path / "dask", 1) as cluster:
            source = (index.root / "files" / "tinyleaf-1.0.tar.gz").read_bytes()
            with Proxy(cluster.port, middle(source), 99) as proxy:
                more = {**cluster.settings(), "workers": proxy.address}
                run = run_farm(tiny_farm(tmp_path / "farm", index, LEAF, settings=more))
            error = run.error("tinyleaf")
            assert (error.slug, error.what) == ("hash", "tinyleaf-1.0.tar.gz changed on its way to a worker")
            assert not wheels_of(run.settings)


class TestStore:
    def test_files_go_through_the_store_and_a_damaged_one_is_replaced(
        self, index: Index, tmp_path: Path, messages: list[str]
    ) -> None:
        with dask_cluster(tmp_path / "dask", 1) as cluster:
            store = tmp_path / "store"
            more = {**cluster.settings(), "workers-store": str(store)}
            settings = tiny_farm(tmp_path / "farm", index, LEAF, settings=more)
            assert run_farm(settings).states == {"tinyleaf": "built"}
            sha256 = index.sha256("tinyleaf-1.0.tar.gz")
            copy = store / "sha256" / sha256[:2] / sha256
            data = copy.read_bytes()
            # Another worker, whose cache is empty, and a store with other bytes.
            cluster.workers[0].kill()
            cluster.start_worker("second")
            cluster.wait_for_workers(1)
            copy.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
            shutil.rmtree(settings.wheelhouse)
            assert run_farm(settings).states == {"tinyleaf": "built"}
            assert any("cannot use the store" in each for each in messages), messages
            assert copy.read_bytes() == data

    def test_a_worker_that_cannot_use_the_store_builds_all_the_same(
        self, index: Index, tmp_path: Path, messages: list[str]
    ) -> None:
        with dask_cluster(tmp_path / "dask", 0) as cluster:
            store = tmp_path / "store"
            store.mkdir()
            cluster.start_worker("other", read_only=store)
            cluster.wait_for_workers(1)
            more = {**cluster.settings(), "workers-store": str(store)}
            settings = tiny_farm(tmp_path / "farm", index, LEAF, settings=more)
            assert run_farm(settings).states == {"tinyleaf": "built"}
            (line,) = {each.partition(": ")[2] for each in messages if "cannot use the store" in each}
            assert "Read-only file system" in line
            check_tidy(settings.wheelhouse, VARIANT)

    def test_files_go_through_the_scheduler_where_the_store_takes_no_more(
        self, index: Index, tmp_path: Path, messages: list[str]
    ) -> None:
        with dask_cluster(tmp_path / "dask", 1) as cluster:
            store = tmp_path / "store"
            store.mkdir()
            # What is tried at the beginning can be written, and the files cannot.
            (store / "sha256").touch()
            more = {**cluster.settings(), "workers-store": str(store)}
            settings = tiny_farm(tmp_path / "farm", index, LEAF, settings=more)
            assert run_farm(settings).states == {"tinyleaf": "built"}
            assert any("the store for workers takes no more files" in each for each in messages), messages
            check_tidy(settings.wheelhouse, VARIANT)

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_store_that_lets_nobody_in_is_an_error_before_any_build(
        self, index: Index, tmp_path: Path, status: int
    ) -> None:
        """By WebHDFS, which fsspec has without another library."""
        what = {"exception": "AuthorizationException", "message": "user nobody may not write"}
        reply = Reply(json.dumps({"RemoteException": what}).encode(), status=status)
        with dask_cluster(tmp_path / "dask", 1) as cluster, index_server() as server:
            server.replies["/webhdfs/v1/farm/wheelfarm"].append(reply)
            more = {**cluster.settings(), "workers-store": f"webhdfs://{server.host}/farm"}
            settings = tiny_farm(tmp_path / "farm", index, LEAF, settings=more)
            with pytest.raises(EngineError, match="the store for workers cannot be used") as caught:
                run_farm(settings)
            assert "user nobody may not write" in str(caught.value.why)
            assert "credentials" in str(caught.value.hint)
            # No build has begun.
            assert not list(cluster.workers[0].directory.glob("local/**/request.json"))
            assert not list(settings.work.glob("logs/*"))

    def test_a_store_that_cannot_be_used_is_an_error_before_any_build(
        self, index: Index, tmp_path: Path
    ) -> None:
        with dask_cluster(tmp_path / "dask", 1) as cluster:
            (tmp_path / "file").touch()
            more = {**cluster.settings(), "workers-store": str(tmp_path / "file")}
            settings = tiny_farm(tmp_path / "farm", index, LEAF, settings=more)
            with pytest.raises(Exception, match="the store for workers cannot be used"):
                run_farm(settings)
