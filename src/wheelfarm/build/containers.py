"""Container engines and builder images."""

from __future__ import annotations

import configparser
import hashlib
import platform as host_platform
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.build.host_engine import programs_environment
from wheelfarm.errors import EngineError, ProcessError
from wheelfarm.model import Python
from wheelfarm.system.environment import which
from wheelfarm.system.files import parse_json
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import PurePath

    from wheelfarm.model import Target
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.system.process import Finished

# A docker client without a daemon is common: only the server's answer counts.
_VERSION: Final = {"podman": ("version",), "docker": ("version", "--format", "{{.Server.Version}}")}

_LIST_PYTHONS: Final = """\
for python in /opt/python/cp3*-cp3*/bin/python; do "$python" -I -c '
import sys
print(sys.argv[1].split("/")[3], "%d.%d%s" % (*sys.version_info[:2], "t" * ("t" in sys.abiflags)))
' "$python"; done"""
"""A line for each Python of a builder image: the directory's name, and the version that it is."""
_PIPE: Final = 'directory=$1; shift; "$0" cp "$directory" - | "$@"'
"""For the shell, with the container engine, the directory and a command with its arguments."""
_ARCHITECTURES: Final = {"x86_64": "amd64", "i686": "386", "aarch64": "arm64", "armv7l": "arm"}
"""Processors whose names in image configurations (OCI) differ from those in platform tags."""
CONTAINERFILE: Final = "Containerfile"
_BUILD: Final = 3600.0


@dataclass(frozen=True)
class ContainerEngine:
    """A program that runs containers."""

    program: str
    env: Mapping[str, str] = field(default_factory=dict)
    """The environment that it runs in."""
    storage: str | None = None
    """Podman's storage driver, such as overlay; None to query it when it is needed."""

    def can_overlay(self, root: Path) -> bool:
        """Whether it can mount a directory as an overlay, in which a container's changes are its own.

        Podman can with overlay storage; docker has no such option. The option cannot hold a colon.
        """
        return self.program == "podman" and ":" not in str(root) and self._driver == "overlay"

    @cached_property
    def _driver(self) -> str:
        # The query takes ten times as long as that for the version: only a build needs it.
        query = ("info", "--format", "{{.Store.GraphDriverName}}")
        return self._output(*query).strip() if self.storage is None else self.storage

    @property
    def storage_root(self) -> Path | None:
        """The directory of its images and containers; None where this machine does not have it."""
        key = "{{.Store.GraphRoot}}" if self.program == "podman" else "{{.DockerRootDir}}"
        text = self._output("info", "--format", key).strip()
        return Path(text) if text and Path(text).is_dir() else None

    def label(self, root: Path) -> str:
        """The option that labels a container with its build directory."""
        return f"--label=wheelfarm.build={_digest_of(root)}"

    def overlay_mount(self, root: Path, at: PurePath) -> list[str]:
        """The options of an overlay mount."""
        # Otherwise SELinux would relabel the host's files before a container may read them.
        return [f"--volume={root}:{at}:O", "--security-opt=label=disable"]

    def image_of(self, root: Path) -> str:
        """The name of a build directory's own image, with the system packages of its build."""
        return f"localhost/wheelfarm-{_digest_of(root)}"

    def install_packages(self, root: Path, image: str, line: str) -> tuple[tuple[str, ...], ...]:
        """The commands that make this image: a shell's line in a container of another image, with network."""
        name = f"wheelfarm-{_digest_of(root)}"
        return (
            (self.program, "run", f"--name={name}", self.label(root), image, "sh", "-c", line),
            (self.program, "commit", name, self.image_of(root)),
            (self.program, "rm", name),
        )

    def piped(self, root: Path, source: PurePath, argv: tuple[str, ...]) -> tuple[str, ...]:
        """The command that reads a directory of the one container of a build as a tar archive.

        Nothing runs in the container any more. Both podman and docker write the archive; where they fail, it
        lacks files.

        Raises:
            EngineError: when there is no such container, or more than one.
        """
        found = self._containers(root)
        if len(found) != 1:
            raise EngineError(
                f"{source} cannot be read from the build's container",
                why=f"there are {len(found)} of them" if found else "the container is gone",
            )
        return ("sh", "-c", _PIPE, self.program, f"{found[0]}:{source}", *argv)

    def _containers(self, root: Path) -> list[str]:
        label = self.label(root).removeprefix("--")
        return self._output("ps", "--all", "--quiet", "--filter", label).split()

    def sweep(self, root: Path) -> None:
        """Remove the containers of a build directory, in whatever state, and its image."""
        found = self._containers(root)
        if found:
            # podman waits 10 s for a clean end otherwise.
            now = ("--time=0",) if self.program == "podman" else ()
            self._output("rm", "--force", "--volumes", *now, *found)
        self._output("rmi", self.image_of(root))

    def volumes(self, prefix: str) -> dict[str, Path]:
        """The volumes whose names begin with a prefix, each with its mount point on this machine."""
        listed = self._output("volume", "ls", "--format", "{{.Name}}", "--filter", f"name={prefix}")
        inspect = ("volume", "inspect", "--format", "{{.Mountpoint}}")
        names = sorted(name for name in listed.split() if name.startswith(prefix))
        return {name: Path(self._output(*inspect, name).strip()) for name in names}

    def remove_volume(self, name: str) -> bool:
        """Remove a volume unless a container uses it; returns whether it is gone."""
        return bool(self._output("volume", "rm", name))

    def image_id(self, image: str, *, where: str, arch: str = "") -> str:
        """The digest of an image: a tag can come to mean another one.

        Args:
            image: its name.
            where: who says so.
            arch: the processor that it is for; empty for this machine's.

        Raises:
            EngineError: when the image is not here.
        """
        if "@sha256:" in image:
            return image
        found = self._output("image", "inspect", "--format", "{{.Id}}", image).strip()
        if not found:
            raise EngineError(
                f"the builder image {image} is not here",
                where=where,
                why="a tag can come to mean another image, so what it means must be known before the build",
                hint=f"{self.pull_command(image, arch)}, or name the image by digest; without a registry, "
                "docs/how-to/builder-image.md makes one",
            )
        return found

    def pull_command(self, image: str, arch: str) -> str:
        """The command that gets an image from a registry."""
        foreign = arch not in {"", host_platform.machine()}
        platform = f"--platform=linux/{_ARCHITECTURES.get(arch, arch)} " if foreign else ""
        return f"{self.program} pull {platform}{image}"

    def check_architecture(self, image: str, target: Target, *, where: str) -> None:
        """Refuse an image for another processor than a target's, or whose programs do not run here.

        Raises:
            EngineError: for such an image; none for one that is not here yet.
        """
        found, wanted = self.inspect(image), _ARCHITECTURES.get(target.arch, target.arch)
        if found is None:
            return
        if found["Architecture"] != wanted:
            raise EngineError(
                f"the builder image {image} is for {found['Architecture']}, and {target.platform_suffix} is "
                f"for {wanted}",
                where=where,
                hint=f"{self.pull_command(image, target.arch)}, or name another image there",
            )
        if target.arch != host_platform.machine():
            finished = self.run_true(image)
            if finished.returncode:
                raise EngineError(
                    f"this machine does not run the programs of {image}, which are for {target.arch}",
                    where=where,
                    why=finished.output.strip().rpartition("\n")[2],
                    hint="install qemu-user-static and register it with binfmt_misc and its flag F, or build "
                    "on such a machine; see docs/how-to/builder-image.md",
                )

    def run_true(self, image: str) -> Finished:
        """Run `true` in an image, without network; whether it works is up to the caller."""
        argv = (self.program, "run", "--rm", "--pull=never", "--network=none", image, "true")
        return run(Command(argv=argv, env=self.env, time_limit=60), check=False)

    def run_with_network(self, image: str, *words: str) -> Finished:
        """Run a program in an image, with the network of containers; it may fail."""
        argv = (self.program, "run", "--rm", "--pull=never", image, *words)
        return run(Command(argv=argv, env=self.env, time_limit=60), check=False)

    def inspect(self, image: str) -> dict[str, Any] | None:
        """What the program knows of an image; None where that is not here."""
        found = parse_json(self._output("image", "inspect", image) or "[]")
        return found[0] if found else None

    def run_python(self, image: str, code: str) -> Finished:
        """Run code with the Python of any image, without network; whether it works is up to the caller."""
        options = ("--rm", "--pull=never", "--network=none", "--entrypoint=python3")
        argv = (self.program, "run", *options, image, "-I", "-c", code)
        return run(Command(argv=argv, env=self.env, time_limit=60), check=False)

    def build_words(self, context: str, *, epoch: int) -> tuple[str, ...]:
        """The command that builds the Containerfile of a directory, as one layer: the same each time."""
        podman = ("--layers=false", f"--timestamp={epoch}")
        same = podman if self.program == "podman" else (f"--build-arg=SOURCE_DATE_EPOCH={epoch}",)
        return (self.program, "build", *same, f"--file={context}/{CONTAINERFILE}", context)

    def build(self, context: Path, *, epoch: int) -> str:
        """Build the Containerfile of a directory from what is here; returns the image, which has no name.

        Raises:
            ProcessError: when it cannot be built.
        """
        local = ("--pull=never",) if self.program == "podman" else ()
        argv = (*self.build_words(str(context), epoch=epoch), "--quiet", "--network=none", *local)
        return run(Command(argv=argv, env=self.env, time_limit=_BUILD)).output.split()[-1]

    def tag(self, image: str, name: str) -> None:
        """Give an image a name, which another image may have until now.

        Raises:
            ProcessError: when that is no name.
        """
        run(Command(argv=(self.program, "tag", image, name), env=self.env, time_limit=60))

    def remove_unnamed(self, image: str) -> None:
        """Remove an image, unless an earlier build gave the same image a name."""
        known = self.inspect(image)
        if known is not None and not known.get("RepoTags"):
            self._output("rmi", image)

    def pythons(self, image: str) -> tuple[Python, ...]:
        """The Pythons of a builder image, oldest first; none where the image cannot be run."""
        answer = self._output("run", "--rm", "--network=none", image, "sh", "-c", _LIST_PYTHONS)
        # Some images have a directory that leads to another Python than its name says.
        found = {
            Python.parse(words[1])
            for words in map(str.split, answer.splitlines())
            if len(words) == 2 and words[0] == python_directory(Python.parse(words[1]))  # noqa: PLR2004
        }
        return tuple(sorted(found))

    def _output(self, *words: str) -> str:
        """The output of the program; nothing when it fails."""
        command = Command(argv=(self.program, *words), env=self.env, time_limit=60)
        finished = run(command, check=False)
        return finished.output if finished.returncode == 0 else ""


def _digest_of(root: Path) -> str:
    return hashlib.sha256(str(root).encode()).hexdigest()[:16]


def interpreter_in_image(python: Python) -> PurePosixPath:
    """The interpreter of a Python in a builder image."""
    return PurePosixPath("/opt/python", python_directory(python), "bin/python")


def site_packages(python: Python) -> PurePosixPath:
    """The directory of the packages of a Python in a builder image."""
    return interpreter_in_image(python).parents[1] / f"lib/python{python}/site-packages"


def python_directory(python: Python) -> str:
    """The name of a Python's directory in a builder image, as cp313-cp313t."""
    return f"{python.tag.removesuffix('t')}-{python.tag}"


def probe_engines(settings: Settings) -> Iterator[tuple[str, ProcessError | None]]:
    """The container engines that are installed and allowed, each with why it does not answer."""
    env = programs_environment(settings)
    for program in (settings.container_engine,) if settings.container_engine else tuple(_VERSION):
        if which(program, env) is not None:
            try:
                run(Command(argv=(program, *_VERSION[program]), env=env, time_limit=30))
            except ProcessError as error:
                yield program, error
            else:
                yield program, None


def container_engine(settings: Settings) -> ContainerEngine | None:
    """The container engine that answers here; None when there is none."""
    answers = (program for program, error in probe_engines(settings) if error is None)
    program = next(answers, None)
    return ContainerEngine(program, programs_environment(settings)) if program else None


def default_image(target: Target) -> str:
    """The image that this cibuildwheel uses for a target by default, by digest or dated tag."""
    resources = Path(str(distribution("cibuildwheel").locate_file("cibuildwheel/resources")))
    defaults = tomllib.loads((resources / "defaults.toml").read_text(encoding="utf-8"))
    level = defaults["tool"]["cibuildwheel"][f"{target.system}-{target.arch}-image"]
    pinned = configparser.ConfigParser(inline_comment_prefixes="#")
    pinned.read(resources / "pinned_docker_images.cfg", encoding="utf-8")
    return pinned[target.arch][level]
