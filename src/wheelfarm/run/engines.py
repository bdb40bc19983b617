"""Which engine runs the builds, and with what compiler cache."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wheelfarm.build.cibuildwheel_engine import Cibuildwheel
from wheelfarm.build.compiler_cache import PROGRAM, available
from wheelfarm.build.containers import container_engine
from wheelfarm.build.host_engine import Host, programs_environment
from wheelfarm.errors import EngineError
from wheelfarm.model import EngineName
from wheelfarm.system.environment import which
from wheelfarm.system.machine import glibc

if TYPE_CHECKING:
    from wheelfarm.build.compiler_cache import CompilerCache
    from wheelfarm.build.engine import Engine
    from wheelfarm.recipes.settings import Settings


def _compiler_cache(settings: Settings, engine: EngineName) -> CompilerCache | None:
    if not settings.compiler_cache:
        return None
    found = which(PROGRAM, programs_environment(settings))
    return available(found, settings.cache, engine=engine, size=settings.compiler_cache_size)


def choose_engine(settings: Settings) -> Engine:
    """The requested engine, or the best that this machine has.

    Raises:
        EngineError: when the requested one cannot work here.
    """
    linux, wanted = sys.platform == "linux", settings.engine
    container = container_engine(settings) if linux and wanted is not EngineName.HOST else None
    if linux and container is None and wanted is EngineName.CIBUILDWHEEL:
        raise EngineError(
            "neither podman nor docker answers here",
            where=settings.origins.get("engine"),
            why="cibuildwheel builds Linux wheels in containers",
            hint="apt-get install podman, or say --engine host",
        )
    if wanted is EngineName.HOST or (linux and container is None):
        if settings.platform and settings.platform.startswith("musllinux") and glibc() != (0, 0):
            raise EngineError(
                f"the host engine does not build for {settings.platform} here",
                where=settings.origins.get("place"),
                why="this machine's C library is glibc, and a build on it is linked with that",
                hint="apt-get install podman, and say --engine cibuildwheel",
            )
        return Host(settings, _compiler_cache(settings, EngineName.HOST))
    return Cibuildwheel(settings, container, _compiler_cache(settings, EngineName.CIBUILDWHEEL))
