"""Builds in containers on the workers of a real Dask cluster, for one platform and for two at once."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
import tomlkit

from support.dask_cluster import RESOURCES, dask_cluster, messages_of, wheels_of
from support.pure import pure_sdist
from support.runs import LineListener
from support.store import check_tidy
from support.tiny import BUILD, NO_RETRY, VARIANT, tiny_farm
from wheelfarm.model import Target
from wheelfarm.run.farm import Farm
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.dask_cluster import DaskCluster
    from support.farm import Table
    from support.index import Index
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.outcome import Outcome

X86_64: Final = "manylinux_x86_64"
AARCH64: Final = "manylinux_aarch64"
OTHER: Final = "localhost/wheelfarm-other-image:tests"
# Under emulation each step takes about ten times as long.
LIMIT: Final = 1200.0
PURE: Final[Table] = {"name": "puresix", "version": "1.0", "summary": "a pure module", "compilers": []}
CHAIN: Final[Mapping[str, Table]] = {
    "tinybase": {},
    "tinytop": {"requires": {"host": ["tinybase", "puresix"]}},
}

pytestmark = pytest.mark.engine


def mixed_farm(
    root: Path, index: Index, container: Mapping[str, str], platforms: list[str], **settings: Any
) -> Settings:
    """A farm of two compiled packages, the second of which is built on the first and on a pure one."""
    own = index.copy(root / "index")
    own.add(pure_sdist(root, "puresix", []))
    recipe = {**PURE, "source": {"kind": "sdist", "sha256": own.sha256("puresix-1.0.tar.gz")}}
    return tiny_farm(
        root / "farm",
        own,
        CHAIN,
        settings={"engine": "cibuildwheel", "platform": platforms, "time-limit": LIMIT, **settings},
        files={
            "recipes/puresix/recipe.toml": tomlkit.dumps(recipe),
            "recipes/puresix/build.lock": own.lock(*BUILD),
        },
        environ=container,
    )


@dataclass
class PlatformRun:
    """A run of a farm for several platforms."""

    settings: Settings
    lines: list[str]
    outcomes: dict[tuple[str, str], Outcome]

    @property
    def states(self) -> dict[tuple[str, str], str]:
        """How each build ended, by name and platform."""
        return {key: outcome.state.value for key, outcome in self.outcomes.items()}


def run_platforms(settings: Settings) -> PlatformRun:
    """Build all of a farm."""
    farm, lines = Farm(settings=settings, retry=NO_RETRY), list[str]()
    found = farm.run(farm.plan(None), LineListener(lines))
    by_id = {(str(each.build.id.name), each.build.id.target.platform_suffix): each for each in found}
    return PlatformRun(settings, lines, by_id)


def start_worker(cluster: DaskCluster, name: str, label: str, container: Mapping[str, str]) -> None:
    """A worker with this machine's container engine, a cache of its own, and no other processor's image."""
    resources = {**RESOURCES, "host": 0, "linux-x86_64": 0, "cibuildwheel": 1, label: 1}
    own = f"WHEELFARM_IMAGE_{label.replace('linux-', 'manylinux_').upper()}"
    env = {key: value for key, value in container.items() if not key.startswith("WHEELFARM_IMAGE_")}
    env |= dict.fromkeys(
        (f"WHEELFARM_IMAGE_{each.upper()}" for each in (X86_64, AARCH64)), "localhost/none:1"
    )
    env |= {own: container[own], "WHEELFARM_CACHE": str(cluster.root / name / "cache")}
    cluster.start_worker(name, resources, env=env, containers=True)


def check_states(run: PlatformRun, cluster: DaskCluster, expected: Mapping[tuple[str, str], str]) -> None:
    errors = [str(each.error) for each in run.outcomes.values() if each.error]
    assert run.states == expected, f"{errors}{messages_of(cluster)}"


def test_a_worker_builds_in_containers_with_the_bytes_of_one_machine(
    index: Index, container: dict[str, str], tmp_path: Path
) -> None:
    with dask_cluster(tmp_path / "dask", 0) as cluster:
        start_worker(cluster, "worker", "linux-x86_64", container)
        cluster.wait_for_workers(1)
        settings = mixed_farm(tmp_path / "many", index, container, [X86_64], workers=cluster.address)
        run = run_platforms(settings)
        names = ("puresix", "tinybase", "tinytop")
        check_states(run, cluster, {(name, X86_64): "built" for name in names})
        assert any("running build_ext" in line for line in run.lines), run.lines[-20:]
        check_tidy(settings.wheelhouse, VARIANT)
    # The scheduler is gone, and nothing is to be built.
    assert set(run_platforms(settings).states.values()) == {"cached"}
    alone = run_platforms(mixed_farm(tmp_path / "one", index, container, [X86_64]))
    assert set(alone.states.values()) == {"built"}
    assert wheels_of(alone.settings) == wheels_of(settings)


def test_a_worker_with_another_image_names_it(
    index: Index, container: dict[str, str], tmp_path: Path
) -> None:
    program, image = shutil.which("podman") or "docker", container["WHEELFARM_IMAGE_MANYLINUX_X86_64"]
    words = [program, "build", "--quiet", "--tag", OTHER, "-"]
    text = f"FROM {image}\nLABEL other=image\n"
    subprocess.run(words, input=text, text=True, check=True, capture_output=True)
    try:
        with dask_cluster(tmp_path / "dask", 0) as cluster:
            other = container | {"WHEELFARM_IMAGE_MANYLINUX_X86_64": OTHER}
            start_worker(cluster, "worker", "linux-x86_64", other)
            cluster.wait_for_workers(1)
            settings = mixed_farm(tmp_path / "farm", index, container, [X86_64], workers=cluster.address)
            run = run_platforms(settings)
            error = run.outcomes["puresix", X86_64].error
            assert error is not None
            assert "no worker fits puresix" in error.what
            assert "image changed from" in str(error.why)
            assert not list(settings.wheelhouse.glob("*/wheels/*"))
    finally:
        subprocess.run([program, "rmi", OTHER], check=False, capture_output=True)


@pytest.mark.platforms
@pytest.mark.timeout(3 * LIMIT)
def test_one_plan_builds_for_two_processors_on_two_workers(
    index: Index, container: dict[str, str], tmp_path: Path
) -> None:
    """The second worker has the label of aarch64: qemu does the rest."""
    with dask_cluster(tmp_path / "dask", 0) as cluster:
        start_worker(cluster, "x86_64", "linux-x86_64", container)
        start_worker(cluster, "aarch64", "linux-aarch64", container)
        cluster.wait_for_workers(2)
        platforms = [X86_64, AARCH64]
        settings = mixed_farm(tmp_path / "many", index, container, platforms, workers=cluster.address)
        run = run_platforms(settings)
        compiled = [(name, platform) for platform in platforms for name in ("tinybase", "tinytop")]
        # All platforms share the pure wheel, which is built for the first.
        check_states(run, cluster, dict.fromkeys([("puresix", X86_64), *compiled], "built"))
        check_tidy(settings.wheelhouse, VARIANT)
        for name, platform in compiled:
            outcome = run.outcomes[name, platform]
            assert outcome.wheel is not None
            machines = {binary.machine for binary in linkage(open_wheel(outcome.wheel))}
            assert machines == {Target.parse(f"cp311-{platform}").arch}
        # Each worker has compiled for its own processor only: its cache has no wheel of the other.
        for worker, other in (("x86_64", "aarch64"), ("aarch64", "x86_64")):
            cached = {path.name for path in (cluster.root / worker / "cache").rglob("*.whl")}
            assert not [name for name in cached if name.startswith("tiny") and name.endswith(f"{other}.whl")]
            assert [name for name in cached if name.startswith("tinybase")], cached
    assert set(run_platforms(settings).states.values()) == {"cached"}
    alone = run_platforms(mixed_farm(tmp_path / "one", index, container, platforms))
    assert set(alone.states.values()) == {"built"}
    assert wheels_of(alone.settings) == wheels_of(settings)
