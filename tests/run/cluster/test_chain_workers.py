"""Chains on the workers of a real Dask cluster."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
import trustme

from support.dask_cluster import WAIT, dask_cluster, wheels_of
from support.packages import BROKEN
from support.store import check_tidy
from support.tiny import LEAF, VARIANT, child_command, run_farm, tiny_farm
from support.tinynumpy import NEW, numpy_farm, numpy_index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.dask_cluster import DaskCluster
    from support.index import Index

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Two workers for all tests of this file."""
    with dask_cluster(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


class TestChain:
    def test_a_chain_is_built_by_workers_and_stored_here(
        self, tmp_path: Path, index: Index, cluster: DaskCluster
    ) -> None:
        settings = tiny_farm(tmp_path / "farm", index, settings=cluster.settings())
        run = run_farm(settings)
        assert run.states == {"tinybase": "built", "tinytop": "built"}, [
            str(outcome.error) for outcome in run.outcomes.values()
        ]
        base, top = run.record("tinybase"), run.record("tinytop")
        assert {each.name: each.sha256 for each in top.upstream} == {"tinybase": base.wheel.sha256}
        check_tidy(settings.wheelhouse, VARIANT)
        # The lines of the build, and its log, have come here.
        assert any("running build_ext" in line for line in run.lines), run.lines[-20:]
        assert (
            "running build_ext"
            in (settings.work / "logs" / f"{run.build('tinytop').id.slug}.log").read_text()
        )
        assert run_farm(settings).states == {"tinybase": "cached", "tinytop": "cached"}
        # The same bytes as on one machine.
        alone = tiny_farm(tmp_path / "alone", index, settings={"stages": str(cluster.stages)})
        assert run_farm(alone).states == {"tinybase": "built", "tinytop": "built"}
        assert wheels_of(alone) == wheels_of(settings)

    def test_a_second_build_gets_only_what_is_new(
        self, tmp_path: Path, index: Index, cluster: DaskCluster
    ) -> None:
        def cached() -> dict[Path, int]:
            homes = (each.directory / "home/.cache/wheelfarm/sha256" for each in cluster.workers)
            files = (path for home in homes for path in home.glob("*/*/*"))
            return {path: path.stat().st_ino for path in files}

        settings = tiny_farm(tmp_path / "farm", index, LEAF, settings=cluster.settings())
        run_farm(settings)
        run_farm(settings)
        (settings.root / "recipes/tinyleaf/smoke.py").write_text("import tinyleaf\n")
        before = cached()
        assert run_farm(settings).states == {"tinyleaf": "checked"}
        after = cached()
        assert before.items() <= after.items()
        new = {path.name for path in after.keys() - before.keys()}
        assert "farm.zip" in new
        # The other worker may have built it before: it gets all, but nobody gets a file twice.
        assert len({path.parent.name for path in after}) - len({path.parent.name for path in before}) <= 2

    def test_a_worker_tests_a_wheel_that_serves_a_new_numpy_and_builds_on_it(
        self, tmp_path: Path, index: Index, cluster: DaskCluster
    ) -> None:
        packages = numpy_index(index, tmp_path / "index")
        settings = numpy_farm(tmp_path / "farm", packages, settings=cluster.settings())
        before = run_farm(settings)
        assert set(before.states.values()) == {"built"}
        recipes = {"tinystats": {"expect": None}}
        settings = numpy_farm(tmp_path / "farm", packages, NEW, recipes=recipes, settings=cluster.settings())
        run = run_farm(settings)
        assert run.states == {"numpy": "built", "tinyarray": "checked", "tinystats": "built"}, run.lines
        assert run.wheel("tinyarray") == before.wheel("tinyarray")
        record = run.record("tinystats")
        assert record.key_parts["upstream.tinyarray"] == before.build("tinyarray").key
        assert set(run_farm(settings).states.values()) == {"cached"}

    def test_a_build_that_fails_brings_its_error_and_its_log(
        self, tmp_path: Path, index: Index, cluster: DaskCluster
    ) -> None:
        settings = tiny_farm(
            tmp_path / "farm",
            index,
            {"tinybase": {"patches": [{"file": "0001-break.patch"}]}, "tinyleaf": {}, "tinytop": {}},
            settings=cluster.settings(),
            patches={"tinybase/0001-break.patch": BROKEN},
        )
        run = run_farm(settings)
        assert run.states == {"tinybase": "failed", "tinyleaf": "built", "tinytop": "blocked"}
        error = run.error("tinybase")
        assert (error.slug, error.failure) == ("build", "compile")
        assert "#error the farm's own mistake" in str(error.why)
        assert error.log == settings.work / "logs" / f"{run.build('tinybase').id.slug}.log"
        assert "the farm's own mistake" in error.log.read_text()
        # The workers keep nothing of it.
        assert not [path for each in cluster.workers for path in each.directory.glob("local/**/request.json")]


def test_a_cluster_with_certificates(tmp_path: Path, index: Index) -> None:
    """As `tls.html` of Dask's documentation says, by variables."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    config = {"CA_FILE": str(tmp_path / "ca.pem")}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        config |= {f"{role}__{kind}": str(tmp_path / "own.pem") for kind in ("CERT", "KEY")}
    config = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": value for name, value in config.items()}
    config["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] = "true"
    with dask_cluster(tmp_path / "dask", 1, config=config, wait=False, scheme="tls") as cluster:
        deadline = time.monotonic() + WAIT
        while "Registered to" not in cluster.workers[0].log:
            assert time.monotonic() < deadline, cluster.workers[0].log
            time.sleep(0.2)
        settings = tiny_farm(tmp_path / "farm", index, LEAF, settings=cluster.settings(), environ=config)
        words, keywords = child_command(settings)
        done = subprocess.run(words, **keywords, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["states"] == {"tinyleaf": "built"}
        # Without certificates nobody gets in.
        bare = {name: value for name, value in keywords["env"].items() if not name.startswith("DASK_")}
        (settings.wheelhouse / "plain").rename(tmp_path / "built")
        done = subprocess.run(words, **{**keywords, "env": bare}, capture_output=True, check=False)
        assert done.returncode != 0
        assert "no Dask scheduler answers" in done.stderr
