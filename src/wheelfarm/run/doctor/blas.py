"""Checks of BLAS: what pkg-config finds, and what a linked program really uses."""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import ProcessError
from wheelfarm.recipes.providers import UNPACKED
from wheelfarm.recipes.providers import Provider as VariantProvider
from wheelfarm.run.doctor.check import Check, Status
from wheelfarm.system.environment import which
from wheelfarm.system.install_hints import install_command
from wheelfarm.system.process import Command, run
from wheelfarm.wheels.blas import Blas, Provider, blas_all
from wheelfarm.wheels.linkage import read_binary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.run.doctor.check import Setup

_MODULES: Final[Mapping[str, Provider | None]] = {
    "openblas": Provider.OPENBLAS,
    "flexiblas": Provider.FLEXIBLAS,
    "blis": Provider.BLIS,
    "mkl-sdl": Provider.MKL,
    "blas-netlib": Provider.REFERENCE,
    "lapack-netlib": Provider.REFERENCE,
    "blas": None,
    "cblas": None,
    "lapack": None,
}
"""Names of BLAS for pkg-config → the implementation that the name stands for; None where it may be any."""
_SYMBOLS: Final = {"cblas": "cblas_dgemm", "lapack": "dgetrf_", "lapack-netlib": "dgetrf_"}
_LOADED: Final = re.compile(r"^\s*(\S+) => (/\S+) \(", re.MULTILINE)
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")
_NETLIB: Final = Path(__file__).parents[2] / "build" / "inside" / "netlib.py"


@dataclass(frozen=True, kw_only=True)
class LinkedBlas:
    """A BLAS that pkg-config describes, and what a program uses that is linked as it says.

    Args:
        module: the name for pkg-config.
        version: as pkg-config says.
        flags: of the linker, as pkg-config says.
        blas: what the linked program uses; None where it does not link.
        problem: the linker's message, where the program does not link.
    """

    module: str
    version: str
    flags: str
    blas: Blas | None = None
    problem: str = ""

    @property
    def lie(self) -> str | None:
        """What is wrong with the pkg-config file; None where it is right."""
        if self.blas is None:
            return f"pkg-config has {self.module} {self.version}, and no program links with its flags"
        named, build = _MODULES[self.module], _VERSION.search(self.blas.build)
        if named is not None and self.blas.provider is not named:
            return f"pkg-config has {self.module} {self.version}, and the linker takes {self.describe()}"
        if named is Provider.OPENBLAS and build and not self.version.startswith(build[0]):
            return f"pkg-config has {self.module} {self.version}, and the linker takes {self.blas.build}"
        return None

    def describe(self) -> str:
        """The implementation and its file."""
        if self.blas is None:
            return "none"
        return f"{self.blas.build or self.blas.provider} ({', '.join(self.blas.libraries[:1])})"


def find_blas(env: Mapping[str, str]) -> Iterator[LinkedBlas]:
    """What pkg-config knows of BLAS, each linked into a real program by the C compiler of an environment."""
    for module in _MODULES:
        version = _output(env, "pkg-config", "--modversion", module)
        flags = _output(env, "pkg-config", "--libs", module)
        if version is not None and flags is not None:
            yield _link(LinkedBlas(module=module, version=version.strip(), flags=flags.strip()), env)


def _output(env: Mapping[str, str], *argv: str) -> str | None:
    try:
        return run(Command(argv=argv, env=env, time_limit=60)).output
    except ProcessError:
        return None


def _link(found: LinkedBlas, env: Mapping[str, str]) -> LinkedBlas:
    symbol = _SYMBOLS.get(found.module, "dgemm_")
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory, "program")
        source = f"void {symbol}(void);\nint main(void) {{ {symbol}(); return 0; }}\n"
        argv = ("cc", "-x", "c", "-", "-x", "none", "-o", str(program), *shlex.split(found.flags))
        finished = run(
            Command(argv=argv, env=env, cwd=Path(directory), stdin=source, time_limit=60), check=False
        )
        if finished.returncode:
            return replace(found, problem=finished.output.strip())
        return _identify(found, program, env)


def _identify(found: LinkedBlas, program: Path, env: Mapping[str, str]) -> LinkedBlas:
    """Read what the program needs, and the files that the loader takes for it (ld.so(8))."""
    # The linker looks in these first too; a repair tool takes libraries from there.
    places = [word[2:] for word in shlex.split(found.flags) if word.startswith("-L")]
    loader = {**env, "LD_TRACE_LOADED_OBJECTS": "1", "LD_LIBRARY_PATH": os.pathsep.join(places)}
    loaded = dict(_LOADED.findall(_output(loader, str(program)) or ""))
    libraries = sorted({os.path.realpath(path) for path in loaded.values()})
    binaries = [*read_binary(program), *(each for path in libraries for each in read_binary(Path(path)))]
    # A library that the loader has found proves what it is; a needed name proves nothing.
    used = sorted(blas_all(binaries), key=lambda each: not each.vendored)
    return replace(found, blas=used[0]) if used else replace(found, problem="the program needs no library")


def check_blas(setup: Setup) -> Iterator[Check]:
    """The BLAS of the variant, and those of the system that a build without the farm would find."""
    users = [recipe.name for recipe in setup.recipes if recipe.table.blas]
    if setup.builds_in_containers or not users:
        return
    settings = setup.farm.settings
    provider = settings.choose_variant(settings.variant).provider
    yield from _check_provider(setup, provider)
    if sys.platform != "linux":
        return
    env = setup.machine.env
    if which("pkg-config", env) is None:
        yield Check(
            name="blas of the system",
            status=Status.WARNING,
            finding="pkg-config is not installed, by which Meson finds libraries",
            command=install_command("pkg-config", setup.machine.manager()),
        )
    elif which("cc", env) is not None:
        yield from system_blas(env)


def _check_provider(setup: Setup, provider: VariantProvider) -> Iterator[Check]:
    variant = setup.farm.settings.variant
    if provider is VariantProvider.NETLIB:
        yield check_netlib(setup)
        return
    origin = {
        VariantProvider.RECIPE: "the wheel of another recipe",
        VariantProvider.ACCELERATE: "macOS",
        VariantProvider.NONE: "nothing: this variant links no BLAS",
    }.get(provider) or f"{', '.join(UNPACKED[provider])} of the index"
    yield Check(name="blas", status=Status.OK, finding=f"the variant {variant} takes its BLAS from {origin}")


def check_netlib(setup: Setup, root: Path = Path("/")) -> Check:
    """Run what a build runs: it copies the libraries, and refuses those of another implementation."""
    with tempfile.TemporaryDirectory() as directory:
        argv = (sys.executable, "-I", str(_NETLIB), directory, str(root))
        finished = run(Command(argv=argv, env=setup.machine.env, time_limit=60), check=False)
    name, variant = "blas", setup.farm.settings.variant
    if finished.returncode == 0:
        finding = f"the variant {variant} takes its BLAS from this system: netlib's"
        return Check(name=name, status=Status.OK, finding=finding)
    why = finished.output.strip().rpartition("\n")[2].removeprefix("netlib: ")
    installs = setup.installs_packages and why.startswith("there is no")
    return Check(
        name=name,
        status=Status.WARNING if installs else Status.FAULT,
        finding=f"{why}; a build installs it" if installs else why,
        command=install_command("netlib", setup.machine.manager()),
    )


def system_blas(env: Mapping[str, str]) -> Iterator[Check]:
    """One check for each file of pkg-config that lies, and one for all others."""
    name, found = "blas of the system", list(find_blas(env))
    right = [each for each in found if each.lie is None]
    for each in found:
        if each.lie is not None:
            file = _output(env, "pkg-config", "--variable=pcfiledir", each.module) or ""
            path = Path(file.strip(), f"{each.module}.pc")
            yield Check(
                name=name,
                status=Status.WARNING,
                finding=each.lie,
                command=f"correct or remove {path}",
                details=(f"flags: {each.flags}", f"links: {each.describe()}", *each.problem.splitlines()),
            )
    details = tuple(f"{each.module} {each.version}: {each.flags}: {each.describe()}" for each in right)
    shown = dict.fromkeys(each.describe() for each in right)
    if right:
        finding = f"pkg-config and the linker agree: {', '.join(shown)}"
        yield Check(name=name, status=Status.OK, finding=finding, details=details)
    elif not found:
        yield Check(name=name, status=Status.OK, finding="pkg-config finds none, and the farm needs none")
