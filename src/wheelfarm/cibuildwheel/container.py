"""Container engines and builder images."""

from __future__ import annotations

import configparser
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import ProcessError
from wheelfarm.host import programs_environment
from wheelfarm.process import Command, run, which

if TYPE_CHECKING:
    from wheelfarm.model import Target
    from wheelfarm.settings import Settings

# A docker client without a daemon is common: only the server's answer counts.
_ASK: Final = {"podman": ("version",), "docker": ("version", "--format", "{{.Server.Version}}")}


def container_engine(settings: Settings) -> str | None:
    """The container engine that answers here; None when there is none."""
    env = programs_environment(settings)
    for program in (settings.container_engine,) if settings.container_engine else tuple(_ASK):
        if which(program, env) is not None:
            try:
                run(Command(argv=(program, *_ASK[program]), env=env, time_limit=30))
            except ProcessError:
                continue
            return program
    return None


def default_image(target: Target) -> str:
    """The image that this cibuildwheel uses for a target by default, by digest or dated tag."""
    resources = Path(str(distribution("cibuildwheel").locate_file("cibuildwheel/resources")))
    defaults = tomllib.loads((resources / "defaults.toml").read_text(encoding="utf-8"))
    level = defaults["tool"]["cibuildwheel"][f"{target.system}-{target.arch}-image"]
    pinned = configparser.ConfigParser(inline_comment_prefixes="#")
    pinned.read(resources / "pinned_docker_images.cfg", encoding="utf-8")
    return pinned[target.arch][level]
