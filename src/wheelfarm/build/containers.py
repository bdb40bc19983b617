"""Container engines and builder images."""

from __future__ import annotations

import configparser
import hashlib
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.build.host_engine import programs_environment
from wheelfarm.errors import EngineError, ProcessError
from wheelfarm.model import Python
from wheelfarm.system.environment import which
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wheelfarm.model import Target
    from wheelfarm.recipes.settings import Settings

# A docker client without a daemon is common: only the server's answer counts.
_ASK: Final = {"podman": ("version",), "docker": ("version", "--format", "{{.Server.Version}}")}

_TELL_PYTHONS: Final = """\
for python in /opt/python/cp3*-cp3*/bin/python; do "$python" -I -c '
import sys
print(sys.argv[1].split("/")[3], "%d.%d%s" % (*sys.version_info[:2], "t" * ("t" in sys.abiflags)))
' "$python"; done"""
"""A line for each Python of a builder image: the directory's name, and the version that it is."""


@dataclass(frozen=True)
class Volume:
    """A directory that a container engine keeps."""

    name: str
    path: Path
    """Where it stands, as the container engine sees this machine."""


@dataclass(frozen=True)
class ContainerEngine:
    """A program that runs containers."""

    program: str
    env: Mapping[str, str] = field(default_factory=dict)
    """What it is told of the host."""
    storage: Callable[[], str] = str
    """How it stores containers, such as overlay; empty when nobody knows."""

    def lends(self, root: Path) -> bool:
        """Whether it can lend a directory to a container that keeps for itself what it writes there.

        Podman can where its storage is made so; docker has no option for it. The option cannot say a colon.
        """
        return self.program == "podman" and ":" not in str(root) and self.storage() == "overlay"

    def label(self, root: Path) -> str:
        """The option that tells whose a container is."""
        return f"--label={_label(root)}"

    def lend(self, root: Path, at: object) -> list[str]:
        """The options by which a container gets a directory to write to, of which nothing is changed.

        SELinux would have the files of the host labelled anew before a container may read them.
        """
        return [f"--volume={root}:{at}:O", "--security-opt=label=disable"]

    def worker(self, root: Path) -> int | None:
        """The first process of a stage's container; None when there is none."""
        found = self._containers(root)
        told = self._ask("inspect", "--format", "{{.State.Pid}}", found[-1]).strip() if found else ""
        return int(told) if told.isdigit() and int(told) else None

    def sweep(self, root: Path) -> None:
        """Remove the containers of a stage, whatever they are at."""
        found = self._containers(root, "--all")
        if found:
            # podman would ask politely for 10 s first; docker does not.
            now = ("--time=0",) if self.program == "podman" else ()
            self._ask("rm", "--force", *now, *found)

    def volumes(self, prefix: str) -> list[Volume]:
        """The volumes whose names begin with a prefix."""
        listed = self._ask("volume", "ls", "--format", "{{.Name}}", "--filter", f"name={prefix}")
        names = sorted(name for name in listed.split() if name.startswith(prefix))
        return [
            Volume(name, Path(self._ask("volume", "inspect", "--format", "{{.Mountpoint}}", name).strip()))
            for name in names
        ]

    def remove_volume(self, name: str) -> bool:
        """Remove a volume; whether that could be done: not while a container has it."""
        return bool(self._ask("volume", "rm", name))

    def image_id(self, image: str, *, where: str) -> str:
        """What an image is, by digest: a tag can come to mean another one.

        Raises:
            EngineError: when the image is not here.
        """
        if "@sha256:" in image:
            return image
        found = self._ask("image", "inspect", "--format", "{{.Id}}", image).strip()
        if not found:
            raise EngineError(
                f"the builder image {image} is not here",
                where=where,
                why="a tag can come to mean another image, so what it means must be known before the build",
                hint=f"{self.program} pull {image}, or name the image by digest",
            )
        return found

    def pythons(self, image: str) -> tuple[Python, ...]:
        """The Pythons of a builder image, oldest first; none where the image cannot be run."""
        told = self._ask("run", "--rm", "--network=none", image, "sh", "-c", _TELL_PYTHONS)
        # Some images have a directory that leads to another Python than its name says.
        found = {
            Python.parse(words[1])
            for words in map(str.split, told.splitlines())
            if len(words) == 2 and words[0] == _tag_of(words[1])  # noqa: PLR2004
        }
        return tuple(sorted(found))

    def _containers(self, root: Path, *which_ones: str) -> list[str]:
        """The containers of a stage: those that run, or as the option says."""
        return self._ask("ps", *which_ones, "--quiet", "--filter", f"label={_label(root)}").split()

    def _ask(self, *words: str) -> str:
        """What the program prints; nothing when it fails."""
        command = Command(argv=(self.program, *words), env=self.env, time_limit=60)
        finished = run(command, check=False)
        return finished.output if finished.returncode == 0 else ""


def _tag_of(python: str) -> str:
    """The name of a Python's directory in a builder image, as cp313-cp313t."""
    tag = Python.parse(python).tag
    return f"{tag.removesuffix('t')}-{tag}"


def _label(root: Path) -> str:
    return f"wheelfarm.stage={hashlib.sha256(str(root).encode()).hexdigest()[:16]}"


def container_engine(settings: Settings) -> ContainerEngine | None:
    """The container engine that answers here; None when there is none."""
    env = programs_environment(settings)
    for program in (settings.container_engine,) if settings.container_engine else tuple(_ASK):
        if which(program, env) is not None:
            try:
                run(Command(argv=(program, *_ASK[program]), env=env, time_limit=30))
            except ProcessError:
                continue
            return ContainerEngine(program, env, _storage(program, env))
    return None


def _storage(program: str, env: Mapping[str, str]) -> Callable[[], str]:
    """How a program stores containers: asked at once, since that takes a while, and waited for later."""
    if program != "podman":
        return str
    command = Command(
        argv=(program, "info", "--format", "{{.Store.GraphDriverName}}"), env=env, time_limit=30
    )
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="wheelfarm-storage")
    answer = pool.submit(run, command, check=False)
    pool.shutdown(wait=False)

    def told() -> str:
        return answer.result().output.strip()

    return told


def default_image(target: Target) -> str:
    """The image that this cibuildwheel uses for a target by default, by digest or dated tag."""
    resources = Path(str(distribution("cibuildwheel").locate_file("cibuildwheel/resources")))
    defaults = tomllib.loads((resources / "defaults.toml").read_text(encoding="utf-8"))
    level = defaults["tool"]["cibuildwheel"][f"{target.system}-{target.arch}-image"]
    pinned = configparser.ConfigParser(inline_comment_prefixes="#")
    pinned.read(resources / "pinned_docker_images.cfg", encoding="utf-8")
    return pinned[target.arch][level]
