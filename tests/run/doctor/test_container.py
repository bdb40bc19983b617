"""Container engines that are programs which fail, as podman and docker do."""

from __future__ import annotations

import platform
import shlex
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.doctor import make_setup, write_programs
from wheelfarm.run.doctor.check import Status
from wheelfarm.run.doctor.container import check_containers, explain_failure

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.run.doctor.check import Check

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="containers are Linux's")

IMAGE = "localhost/builder:1"
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
SETTINGS: dict[str, Any] = {"images": {f"manylinux_{platform.machine()}": IMAGE}, "pythons": ["3.11"]}
INSPECT = f"""case "$*" in
  version*) exit 0 ;;
  *Id*) echo sha256:1234; exit 0 ;;
  image*) echo '[{{"Architecture": "{ARCH}"}}]'; exit 0 ;;
esac
"""
"""A podman that answers and has the image."""


def checked(
    root: Path, podman: str | None, *, engine: str | None = "cibuildwheel", **more: Any
) -> list[Check]:
    programs = {} if podman is None else {"podman": podman}
    return [*check_containers(make_setup(root, programs=programs, engine=engine, **(SETTINGS | more)))]


MESSAGES = [
    (
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
        "this user may not use docker's socket",
        "usermod -aG docker",
    ),
    (
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        "its daemon does not run",
        "systemctl start docker",
    ),
    ('Error: command required for rootless mode: exec: "newuidmap": not found', "newuidmap", "uidmap"),
    ("Error: cannot find UID/GID for user me: no subuid ranges found", "no user ids", "--add-subuids"),
    (
        "crun: setrlimit `RLIMIT_NPROC`: Operation not permitted: OCI permission denied",
        "more open files or processes",
        "default_ulimits",
    ),
    ("Error: OCI runtime error: crun: unknown version specified for cgroup", "cgroups", "runc"),
    ("Error: could not find a working netavark binary", "network program", "netavark"),
    ("write /var/lib/x: no space left on device", "its disk is full", "prune"),
    ("cannot clone: Operation not permitted", "user namespaces", "sysctl -w"),
]


@pytest.mark.parametrize(("message", "finding", "command"), MESSAGES)
def test_an_engine_that_does_not_answer(tmp_path: Path, message: str, finding: str, command: str) -> None:
    script = f"echo {shlex.quote(message)} >&2; exit 125"
    (check,) = checked(tmp_path / "a", script)
    assert check.status is Status.FAULT
    assert check.finding.startswith("podman does not answer: ")
    assert finding in check.finding
    assert command in str(check.command)
    assert message in check.details
    (optional,) = checked(tmp_path / "b", script, engine=None)
    assert (optional.status, optional.finding) == (Status.WARNING, check.finding)


def test_an_unknown_message_is_shown_as_it_is() -> None:
    assert explain_failure("first\nsomething new\n\n") == ("something new", None)


def test_no_engine_is_a_fault_only_where_it_is_requested(tmp_path: Path) -> None:
    (check,) = checked(tmp_path / "a", None)
    assert (check.status, check.finding) == (Status.FAULT, "neither podman nor docker is installed")
    assert "podman" in str(check.command)
    (check,) = checked(tmp_path / "b", None, engine=None)
    assert (check.status, check.command) == (Status.OK, None)
    (check,) = checked(tmp_path / "c", "exit 0", table={"container-engine": "docker"})
    assert (check.status, check.finding) == (Status.FAULT, "docker is not installed")


def test_one_engine_that_answers_is_enough(tmp_path: Path) -> None:
    write_programs(tmp_path / "bin", {"docker": "exit 1"})
    (check,) = checked(tmp_path, "exit 0", engine="host")
    assert (check.status, check.finding) == (Status.OK, "podman answers, and the farm builds on the host")


def test_a_missing_image_is_a_fault_with_the_command_that_pulls_it(tmp_path: Path) -> None:
    (check,) = checked(tmp_path, '[ "$1" = version ]')
    assert (check.status, check.finding) == (Status.FAULT, f"the image {IMAGE} is not here")
    assert str(check.command).startswith(f"podman pull {IMAGE}")


def test_an_image_that_is_pinned_needs_its_registry(tmp_path: Path) -> None:
    image = f"127.0.0.1:1/builder@sha256:{'a' * 64}"
    images = {f"manylinux_{platform.machine()}": image}
    (check,) = checked(tmp_path, '[ "$1" = version ]', images=images)
    assert check.status is Status.FAULT
    assert "is not here, and 127.0.0.1:1 cannot be reached: " in check.finding


def test_an_image_for_another_processor_is_a_fault(tmp_path: Path) -> None:
    (check,) = checked(tmp_path, INSPECT.replace(ARCH, "s390x"))
    assert check.status is Status.FAULT
    assert "is for s390x" in check.finding


def test_an_engine_that_answers_and_runs_no_container(tmp_path: Path) -> None:
    (check,) = checked(tmp_path, f"{INSPECT} echo 'crun: invalid cgroup mode' >&2; exit 126")
    assert check.status is Status.FAULT
    assert check.finding.startswith("podman runs no container: its runtime or its cgroup manager")
    assert 'runtime = "runc"' in str(check.command)


RUNS = (
    INSPECT
    + """case "$*" in
  *" true") exit 0 ;;
  *"sh -c"*) echo cp311-cp311 3.11 ;;
"""
)


def test_an_image_without_the_python_of_the_farm(tmp_path: Path) -> None:
    container, image = checked(tmp_path, f"{RUNS} esac", pythons=["3.11", "3.12"])
    assert (container.status, container.finding) == (Status.OK, f"podman runs containers of {IMAGE}")
    assert (image.status, image.finding) == (Status.FAULT, f"{IMAGE} has no Python 3.12 below /opt/python")


@pytest.mark.parametrize(
    ("message", "finding", "line"),
    [
        ("ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED]", "do not trust", "volumes ="),
        ("TimeoutError: timed out", "do not reach index.invalid", "netns ="),
    ],
)
def test_system_packages_need_a_network_in_containers(
    tmp_path: Path, message: str, finding: str, line: str
) -> None:
    script = f"{RUNS} *create_connection*) echo '{message}' >&2; exit 1 ;; esac"
    setup = make_setup(
        tmp_path,
        {"alpha": {"system-packages": {"apt": ["libx-dev"]}}},
        programs={"podman": script},
        engine="cibuildwheel",
        **SETTINGS,
    )
    check = [*check_containers(setup)][-1]
    assert check.status is Status.WARNING
    assert finding in check.finding
    assert line in str(check.command)


def test_nothing_is_downloaded_for_recipes_without_system_packages(tmp_path: Path) -> None:
    assert len(checked(tmp_path, f"{RUNS} *) exit 1 ;; esac")) == 2
