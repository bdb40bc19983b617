"""Kills workers and the farm at random instants while twelve packages are built: `kills.py --kills 200`.

In the end all wheels are stored, each has the bytes that one machine makes, and no run has built what an
earlier one had stored.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[3] / "src")]

from support.dask_cluster import DaskCluster, dask_cluster, messages_of, wheels_of  # noqa: E402
from support.dozen import NAMES, dozen_farm, dozen_index  # noqa: E402
from support.namespaces import Network, can_have_namespaces  # noqa: E402
from support.store import check_tidy  # noqa: E402
from support.tiny import VARIANT, child_command, run_farm  # noqa: E402

if TYPE_CHECKING:
    from wheelfarm.recipes.settings import Settings

LONGEST = 3.0
"""Seconds between two kills at most."""
END = 600.0
"""Seconds for a run that nobody kills."""


@dataclass
class Killer:
    """Kills the processes of one cluster and one farm."""

    cluster: DaskCluster
    settings: Settings
    expected: dict[str, bytes]
    chance: random.Random
    kills: int = 0
    of_workers: int = 0
    farms: int = 0
    stored: set[str] = field(default_factory=set)

    def start(self) -> subprocess.Popen[str]:
        """Start the farm; what is stored by now must not be built again."""
        records = self.settings.wheelhouse.glob("*/records/*.json")
        self.stored = {json.loads(path.read_text())["recipe"] for path in records}
        words, keywords = child_command(self.settings)
        return subprocess.Popen(words, **keywords, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def kill(self, run: subprocess.Popen[str]) -> subprocess.Popen[str]:
        """Kill a worker, whom a new one replaces, or the farm, which starts again; the run that goes on."""
        self.kills += 1
        if self.chance.random() < 0.25:
            run.kill()
            run.communicate()
            return self.start()
        worker = self.chance.choice(self.cluster.workers)
        worker.kill()
        self.cluster.workers.remove(worker)
        if self.cluster.network:
            self.cluster.network.remove(worker.host)
        self.of_workers += 1
        self.cluster.start_worker(f"replacement{self.of_workers}")
        return run

    def farm(self, most: int) -> None:
        """Build all packages once, with kills as long as there are fewer than `most`."""
        shutil.rmtree(self.settings.wheelhouse, ignore_errors=True)
        run = self.start()
        while self.kills < most and run.poll() is None:
            time.sleep(self.chance.uniform(0.1, LONGEST))
            if run.poll() is None:
                run = self.kill(run)
        out, err = run.communicate(timeout=END)
        assert run.returncode == 0, f"{out}{err}{messages_of(self.cluster)}"
        found = json.loads(out)
        assert found["errors"] == {}, f"{found}{messages_of(self.cluster)}"
        wanted = {name: "cached" if name in self.stored else "built" for name in NAMES}
        assert found["states"] == wanted, found
        assert wheels_of(self.settings) == self.expected
        check_tidy(self.settings.wheelhouse, VARIANT)
        self.farms += 1


def kill_often(root: Path, kills: int, seed: int, workers: int = 4) -> Killer:
    """Build farms until that many processes were killed; workers have namespaces where that is possible."""
    index = dozen_index(root / "index")
    with ExitStack() as stack:
        network = stack.enter_context(Network()) if can_have_namespaces() else None
        where = "network namespaces of their own" if network else "the network of this machine"
        print(f"{workers} workers in {where}", flush=True)  # noqa: T201
        # A worker whose network has gone with it sends no last word.
        config = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "15s"}
        cluster = stack.enter_context(dask_cluster(root / "dask", workers, config=config, network=network))
        alone = dozen_farm(root / "alone", index, {"stages": str(cluster.stages)})
        states = run_farm(alone).states
        assert set(states.values()) == {"built"}, states
        settings = dozen_farm(root / "farm", index, cluster.settings())
        killer = Killer(cluster, settings, wheels_of(alone), random.Random(seed))  # noqa: S311
        while killer.kills < kills or not killer.farms:
            killer.farm(kills)
            print(f"{killer.farms} farms, {killer.kills} kills", flush=True)  # noqa: T201
        return killer


def main() -> None:
    """Kill as often as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)  # noqa: T201
    with tempfile.TemporaryDirectory(prefix="wheelfarm-kills-") as directory:
        kill_often(Path(directory), options.kills, options.seed)


if __name__ == "__main__":
    main()
