"""`doctor` with a real container engine: the settings of podman make the faults, its commands mend them."""

from __future__ import annotations

import os
import platform
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import tomlkit

from support.doctor import make_setup
from support.farm import over
from wheelfarm.run.doctor.check import Status
from wheelfarm.run.doctor.container import check_containers
from wheelfarm.run.doctor.resources import check_disks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.run.doctor.check import Check

pytestmark = pytest.mark.engine

WORKING: Mapping[str, Any] = {
    "containers": {"default_ulimits": ["nofile=4096:4096", "nproc=32768:32768"], "netns": "host"},
    "network": {"network_backend": "netavark"},
    "engine": {"cgroup_manager": "cgroupfs", "runtime": "runc"},
}
"""What .ci/provision-engine writes."""
SUFFIX = f"manylinux_{platform.machine()}"


def checked(
    root: Path, container: Mapping[str, str], conf: Mapping[str, Any], **settings: Any
) -> list[Check]:
    file = root / "containers.conf"
    root.mkdir(parents=True, exist_ok=True)
    file.write_text(tomlkit.dumps(conf))
    environ = {**container, "CONTAINERS_CONF": str(file)}
    said = {"engine": "cibuildwheel", "pythons": ["3.11"], "container-engine": "podman"} | settings
    return [*check_containers(make_setup(root, environ=environ, table=said))]


def test_the_builder_image_of_the_tests_is_right(container: dict[str, str], tmp_path: Path) -> None:
    checks = checked(tmp_path, container, WORKING)
    assert [(each.name, each.status) for each in checks] == [("containers", Status.OK), ("image", Status.OK)]


@pytest.mark.parametrize(
    ("conf", "finding"),
    [
        ({"containers": {"default_ulimits": ["nofile=99999999:99999999"]}}, "open files or processes"),
        ({"engine": {"cgroup_manager": "systemd"}}, "does not fit the cgroups of this machine"),
        ({"engine": {"runtime": "krun-that-is-not-there"}}, "its runtime is not installed"),
    ],
)
def test_a_fault_of_podman_is_named_and_mended(
    container: dict[str, str], tmp_path: Path, conf: Mapping[str, Any], finding: str
) -> None:
    if "cgroup_manager" in conf.get("engine", {}) and os.path.isdir("/run/systemd/system"):  # noqa: PTH112
        pytest.skip("systemd runs here, so its cgroups work")
    (check,) = checked(tmp_path / "wrong", container, over(WORKING, conf))
    assert check.status is Status.FAULT
    assert finding in check.finding
    written = re.search(r"printf '(.+)' > ", str(check.command))
    assert written is not None
    mended = tomllib.loads(written[1].replace("\\n", "\n"))
    right = checked(tmp_path / "right", container, over(over(WORKING, conf), mended))
    assert [each.status for each in right] == [Status.OK, Status.OK]


def test_an_image_of_another_kind_has_no_pythons(container: dict[str, str], tmp_path: Path) -> None:
    image = container[f"WHEELFARM_IMAGE_{SUFFIX.upper()}"]
    *_, check = checked(tmp_path, container, WORKING, pythons=["3.11", "3.10"])
    assert (check.status, check.finding) == (Status.FAULT, f"{image} has no Python 3.10 below /opt/python")


def test_the_disk_of_the_containers_counts(container: dict[str, str], tmp_path: Path) -> None:
    setup = make_setup(tmp_path, environ=container, engine="cibuildwheel", pythons=["3.11"])
    lines = [line for check in check_disks(setup) for line in check.details]
    assert any(line.startswith("containers: /") for line in lines)


def test_an_image_that_is_not_here(container: dict[str, str], tmp_path: Path) -> None:
    without = {name: value for name, value in container.items() if not name.startswith("WHEELFARM_IMAGE_")}
    images = {SUFFIX: "localhost/no-such-builder:1"}
    (check,) = checked(tmp_path, without, WORKING, images=images)
    assert (check.status, str(check.command).partition(",")[0]) == (
        Status.FAULT,
        "podman pull localhost/no-such-builder:1",
    )
