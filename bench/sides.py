"""The environments that are compared: stored wheels, a directory of wheels, or the public wheels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.deploy.selection import select_wheels
from wheelfarm.errors import Collector, UsageError
from wheelfarm.gate.systems import System
from wheelfarm.model import Name, PinnedWheel
from wheelfarm.run.companions import find_companions
from wheelfarm.run.farm import Farm
from wheelfarm.run.services import make_fetcher
from wheelfarm.system.environment import allowed
from wheelfarm.system.files import sha256_of_file
from wheelfarm.system.machine import Machine, glibc
from wheelfarm.system.process import Command, run
from wheelfarm.wheelhouse.tags import serves
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.contents import contents

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wheelfarm.model import Target
    from wheelfarm.wheels.archive import Wheel

REQUIRED: Final = {
    "numpy": ("numpy",),
    "scipy": ("numpy", "scipy"),
    "pandas": ("numpy", "pandas"),
    "sklearn": ("numpy", "scipy", "scikit-learn"),
}
"""By import package: the distributions that are compared where it is measured."""
TOOL: Final = Name("threadpoolctl")
"""Says which BLAS runs; scikit-learn requires it, and its lock has it."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """Wheels that are installed together."""

    label: str
    wheels: tuple[PinnedWheel, ...]
    target: Target
    tool: tuple[PinnedWheel, ...]
    """What is installed besides, to measure."""

    def sizes(self) -> dict[str, dict[str, int]]:
        """Bytes by distribution and kind, as an installer writes them, without bytecode."""
        opened = [open_wheel(each.path) for each in self.wheels]
        return {
            wheel.name: {str(kind): share.size for kind, share in contents(wheel).kinds} for wheel in opened
        }

    def versions(self) -> dict[str, str]:
        """Version by distribution."""
        return {each.name: each.version for each in self.wheels}

    def make(self, directory: Path, farm: Farm) -> Path:
        """Make an environment with the wheels and their bytecode; returns its interpreter."""
        env = allowed(farm.settings.environ)
        uv = ("uv", "--offline", "--no-config", "--quiet")
        interpreter = Machine(env).python(self.target.python)
        python = directory / "bin" / "python"
        files = [str(each.path) for each in (*self.wheels, *self.tool)]
        install = ("pip", "install", "--no-deps", "--compile-bytecode", "--python", str(python), *files)
        for words in (("venv", "--no-project", "--python", str(interpreter), str(directory)), install):
            run(Command(argv=(*uv, *words), env=env, time_limit=600))
        return python


@dataclass(frozen=True)
class Sides:
    """Finds the wheels of sides, for this machine.

    Args:
        farm: its recipes say which versions there are, and its locks what the wheels need.
        names: the distributions that are compared.
    """

    farm: Farm
    names: Sequence[Name]

    @property
    def target(self) -> Target:
        return self.farm.targets()[0]

    @property
    def _system(self) -> System:
        version = ".".join(map(str, glibc()))
        libc = {"musl": "1.2"} if version == "0.0" else {"glibc": version}
        return System(title="this machine", **libc, libraries=[], image="", references=[])

    def variant(self, name: str) -> Side:
        """The stored wheels of a variant.

        Raises:
            DeployError: a group, for each wheel that the wheelhouse lacks, with the command that builds it.
        """
        self.farm.settings.choose_variant(name)
        farm = Farm(settings=self.farm.settings.replace(variant=name))
        return self._side(name, select_wheels(farm, self.names, self.target, self._system).wheels)

    def directory(self, path: Path) -> Side:
        """The wheels in a directory.

        Raises:
            UsageError: a group, for each distribution that is not there once.
        """
        problems, found = Collector(), dict[Name, PinnedWheel]()
        for file in sorted(path.glob("*.whl")):
            if not serves(file.name, self.target):
                continue
            wheel = open_wheel(file)
            if wheel.name in found:
                other = found[wheel.name].path.name
                what = f"{path} has two wheels of {wheel.name} for {self.target}"
                problems.add(UsageError(what, where=f"{other}, {file.name}", hint="remove one"))
            digest = sha256_of_file(file)
            found[wheel.name] = PinnedWheel(
                name=wheel.name, version=wheel.version, path=file, sha256=digest, farm=True
            )
        for name in self.names:
            if name not in found:
                what = f"{path} has no wheel of {name} for {self.target}"
                hint = f"nox -s build-{name} builds one; or leave its operations out: --operations"
                problems.add(UsageError(what, hint=hint))
        problems.check()
        return self._side(str(path), self._complete([*found.values()]))

    def public(self, like: Side) -> Side:
        """The wheels that the configured index has of the same versions.

        Raises:
            FarmError: when it cannot be reached, or has none.
        """
        fetcher = make_fetcher(self.farm.settings)
        versions = like.versions()
        wheels = [fetcher.published(name, versions[name], self.target, glibc()) for name in self.names]
        return self._side("public", self._complete(wheels))

    def _complete(self, wheels: Sequence[PinnedWheel]) -> list[PinnedWheel]:
        """Some wheels, and what they need."""
        opened: list[Wheel] = [open_wheel(each.path) for each in wheels]
        companions, missing = find_companions(self.farm, opened, self.target, self._system.glibc)
        if missing:
            raise UsageError(
                f"{', '.join(missing)}: needed, and neither there nor in the wheelhouse or a lock",
                hint="put a wheel of it there too, or build it with the farm",
            )
        return [*wheels, *companions]

    def _side(self, label: str, wheels: Sequence[PinnedWheel]) -> Side:
        ordered = tuple(sorted(wheels, key=lambda each: each.name))
        tool: tuple[PinnedWheel, ...] = ()
        if TOOL not in {each.name for each in wheels}:
            locked = self.farm.recipes.by_name[Name("scikit-learn")].test_requirements(self.target)
            (line,) = (each for each in locked if each.name == TOOL)
            tool = (make_fetcher(self.farm.settings).wheel(line, self.target, glibc()),)
        return Side(label=label, wheels=ordered, target=self.target, tool=tool)
