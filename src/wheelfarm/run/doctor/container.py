"""Checks of the container engine: whether it answers and runs containers, its images, and its network."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wheelfarm.build.cibuildwheel_engine import Cibuildwheel
from wheelfarm.build.containers import interpreter_in_image, probe_engines
from wheelfarm.errors import EngineError, NetworkError
from wheelfarm.model import EngineName
from wheelfarm.run.doctor.check import Check, Status
from wheelfarm.sources.connections import UNTRUSTED
from wheelfarm.sources.network import HttpClient
from wheelfarm.sources.urls import index_or_default
from wheelfarm.system.install_hints import install_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.build.containers import ContainerEngine
    from wheelfarm.model import Target
    from wheelfarm.run.doctor.check import Setup

_CONF: Final = "/etc/containers/containers.conf.d"


def _configure(table: str, *lines: str) -> str:
    """The command that sets options of podman, in a file of their own (containers.conf(5))."""
    text, name = "\\n".join((f"[{table}]", *lines, "")), lines[0].partition(" ")[0]
    return f"mkdir -p {_CONF} && printf '{text}' > {_CONF}/60-{name}.conf"


def _causes() -> tuple[tuple[str, str, str], ...]:
    """Patterns of a container engine's messages → what is wrong, and the command that mends it."""
    runtime = _configure("engine", 'cgroup_manager = "cgroupfs"', 'runtime = "runc"')
    backend = _configure("network", 'network_backend = "netavark"')
    identifiers = 'usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$USER"'
    return (
        (
            r"permission denied.*docker\.sock|docker daemon socket.*permission denied",
            "this user may not use docker's socket",
            'usermod -aG docker "$USER", and log in again',
        ),
        (
            (
                r"cannot connect to the docker daemon|is the docker daemon running|docker\.sock.*no such file"
                r"|connection refused"
            ),
            "its daemon does not run",
            "systemctl start docker" if sys.platform == "linux" else "podman machine start",
        ),
        (r"newuidmap|newgidmap", "it lacks newuidmap for users other than root", install_command("uidmap")),
        (
            r"/etc/sub[ug]id|no sub[ug]id|insufficient uids or gids|not enough .*ids available",
            "this user has no user ids for containers",
            f"{identifiers} && podman system migrate",
        ),
        (
            r"rlimit|ulimit|nofile|nproc",
            "it asks for more open files or processes than this machine allows",
            _configure("containers", 'default_ulimits = ["nofile=4096:4096", "nproc=32768:32768"]'),
        ),
        (
            r"cgroup",
            "its runtime or its cgroup manager does not fit the cgroups of this machine",
            f"{install_command('runc')} && {runtime}",
        ),
        (
            r"oci runtime \S* ?not found",
            "its runtime is not installed",
            f"{install_command('runc')} && {runtime}",
        ),
        (
            r"/cni/|cni plugin|plugin type=",
            "its network plugins are missing",
            f"{install_command('netavark')} && {backend}",
        ),
        (r"netavark|aardvark|slirp4netns|pasta", "it lacks its network program", install_command("netavark")),
        (r"no space left", "its disk is full", "podman system prune, or docker system prune"),
        (
            r"cannot clone|user namespace|unshare|operation not permitted",
            "it may not make user namespaces",
            "sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    )


def explain_failure(message: str) -> tuple[str, str | None]:
    """What a container engine's message means, and the command that mends it."""
    for pattern, finding, command in _causes():
        if re.search(pattern, message, re.IGNORECASE):
            return finding, command
    last = next((line for line in reversed(message.splitlines()) if line.strip()), "it fails")
    return last.strip(), None


def check_containers(setup: Setup) -> Iterator[Check]:
    """The container engine, as far as the farm builds in containers."""
    if sys.platform != "linux":
        return
    settings = setup.farm.settings
    # The farm takes the host engine where no container engine answers and nobody requests one.
    bad = Status.FAULT if settings.engine is EngineName.CIBUILDWHEEL else Status.WARNING
    probes = list(probe_engines(settings))
    answering = next((program for program, error in probes if error is None), None)
    for program, error in probes:
        # One that answers is enough.
        if error is not None and answering is None:
            finding, command = explain_failure(f"{error.what}\n{error.why or ''}")
            details = tuple((error.why or error.what).splitlines())
            yield Check(
                name="containers",
                status=bad,
                finding=f"{program} does not answer: {finding}",
                command=command,
                details=details,
            )
    if not probes:
        wanted = settings.container_engine or "podman"
        yield Check(
            name="containers",
            status=bad if bad is Status.FAULT else Status.OK,
            finding=f"{settings.container_engine or 'neither podman nor docker'} is "
            f"{'not ' if settings.container_engine else ''}installed"
            + ("" if bad is Status.FAULT else ", and the host engine needs none"),
            command=install_command("podman") if wanted == "podman" and bad is Status.FAULT else None,
        )
    elif answering and isinstance(setup.engine, Cibuildwheel) and setup.engine.container:
        yield from _check_images(setup, setup.engine, setup.engine.container)
    elif answering:
        finding = f"{answering} answers, and the farm builds on the host"
        yield Check(name="containers", status=Status.OK, finding=finding)


def _check_images(setup: Setup, engine: Cibuildwheel, container: ContainerEngine) -> Iterator[Check]:
    """The image of each target, and one container of it."""
    checked: set[str] = set()
    for target in setup.farm.targets():
        image, where = engine.image(target), f"images.{target.platform_suffix}"
        if image in checked:
            continue
        checked.add(image)
        if container.inspect(image) is None:
            yield _missing_image(setup, container, image, container.pull_command(image, target.arch))
            continue
        try:
            found = container.image_id(image, where=where, arch=target.arch)
            container.check_architecture(image, target, where=where)
        except EngineError as error:
            yield Check.of_error("image", error)
            continue
        finished = container.run_true(image)
        if finished.returncode:
            finding, command = explain_failure(finished.output)
            yield Check(
                name="containers",
                status=Status.FAULT,
                finding=f"{container.program} runs no container: {finding}",
                command=command,
                details=tuple(finished.output.splitlines()),
            )
            continue
        yield Check(
            name="containers",
            status=Status.OK,
            finding=f"{container.program} runs containers of {image}",
            details=(found,),
        )
        yield _check_pythons(setup, engine, target, image)
        if setup.needs_system_packages:
            yield from _check_network(setup, container, target, image)


def _missing_image(setup: Setup, container: ContainerEngine, image: str, pull: str) -> Check:
    """An image that is not here: a build pulls one that is named by digest, and must reach its registry."""
    registry, pinned = image.partition("/")[0], "@sha256:" in image
    finding = f"the image {image} is not here"
    status = Status.FAULT
    if pinned and not setup.farm.settings.offline:
        client = HttpClient(index_url="", timeout=15, tries=1)
        try:
            client.request("GET", f"https://{registry}/v2/")
        except NetworkError as error:
            finding += f", and {registry} cannot be reached: {error.why}"
        else:
            status, finding = Status.WARNING, f"{finding}: the first build pulls it with {container.program}"
    return Check(
        name="image",
        status=status,
        finding=finding,
        command=f"{pull}, or set [tool.wheelfarm.images]",
        details=("without a registry: docs/how-to/builder-image.md",),
    )


def _check_pythons(setup: Setup, engine: Cibuildwheel, target: Target, image: str) -> Check:
    present, wanted = engine.pythons(target), setup.farm.settings.pythons
    missing = [str(python) for python in wanted if python not in present]
    shown = ", ".join(map(str, present)) or "none"
    if missing:
        return Check(
            name="image",
            status=Status.FAULT,
            finding=f"{image} has no Python {', '.join(missing)} below /opt/python",
            command=f"set {target.platform_suffix} under [tool.wheelfarm.images] to an image that has it",
            details=(f"Pythons: {shown}",),
        )
    finding = f"{image} has Python {', '.join(map(str, wanted))}"
    return Check(name="image", status=Status.OK, finding=finding, details=(f"Pythons: {shown}",))


_CONNECT: Final = """\
import socket, ssl, sys
host, port, secure = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "https"
connection = socket.create_connection((host, port), 10)
if secure:
    ssl.create_default_context().wrap_socket(connection, server_hostname=host)
"""


def _check_network(setup: Setup, container: ContainerEngine, target: Target, image: str) -> Iterator[Check]:
    """The network of a container: only the installation of system packages uses one."""
    url = urlsplit(index_or_default(setup.farm.settings.index_url))
    if url.scheme not in {"http", "https"} or url.hostname is None:
        return
    port = url.port or (443 if url.scheme == "https" else 80)
    python = str(interpreter_in_image(target.python))
    words = (python, "-I", "-c", _CONNECT, url.hostname, str(port), url.scheme)
    finished = container.run_with_network(image, *words)
    if finished.returncode == 0:
        finding = f"containers reach {url.hostname}, for system packages"
        yield Check(name="container network", status=Status.OK, finding=finding)
        return
    untrusted = UNTRUSTED in finished.output
    bundle = "/etc/ssl/certs:/etc/ssl/certs:ro"
    finding = (
        f"containers do not trust the certificate of {url.hostname}"
        if untrusted
        else f"containers do not reach {url.hostname}, and builds install system packages in them"
    )
    line = f'volumes = ["{bundle}"]' if untrusted else 'netns = "host"'
    yield Check(
        name="container network",
        status=Status.WARNING,
        finding=finding,
        command=_configure("containers", line) if container.program == "podman" else None,
        details=tuple(finished.output.splitlines()[-3:]),
    )
