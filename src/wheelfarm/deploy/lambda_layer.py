"""An AWS Lambda layer: planned, compared with its limit, written, and tested from its ZIP file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.build.host_engine import Host, programs_environment
from wheelfarm.deploy.bytecode import compile_tree
from wheelfarm.deploy.check import check_layer
from wheelfarm.deploy.selection import check_system, savings, select_wheels
from wheelfarm.deploy.tree import DROPPABLE, lay_out
from wheelfarm.deploy.zip_file import write_zip
from wheelfarm.errors import DeployError, UsageError
from wheelfarm.gate.clean_environment import CleanEnvironment
from wheelfarm.gate.systems import find_system, systems
from wheelfarm.system.files import copy_verified, sha256_of_file
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from wheelfarm.build.engine import ProgressListener
    from wheelfarm.deploy.selection import Selection
    from wheelfarm.deploy.tree import Tree
    from wheelfarm.gate.systems import System
    from wheelfarm.model import Name, Target
    from wheelfarm.run.farm import Farm
    from wheelfarm.wheels.contents import Kind

MOST: Final = 250 << 20
"""Bytes of a function and all its layers, unpacked ("Lambda quotas")."""
_RUNTIME: Final = "lambda-python"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer before it is written; sizes are bytes."""

    farm: Farm
    system: System
    selection: Selection
    tree: Tree
    bytecode: Mapping[str, bytes]
    """By path; empty without."""

    @property
    def unpacked(self) -> int:
        return self.tree.size + sum(map(len, self.bytecode.values()))

    def check_limit(self, limit: int) -> None:
        """Refuse a layer that is too large, with what each way to make it smaller saves.

        Raises:
            DeployError: when it is larger than the limit.
        """
        if self.unpacked <= limit:
            return
        sizes = {name: sum(kinds.values()) for name, kinds in self.tree.sizes().items()}
        less = savings(self.farm, self.selection, sizes, self.system)
        ways = [f"without {name} and what only it needs: {count:,} less" for name, count in less.items()]
        if self.bytecode:
            ways.insert(0, f"without --pyc: {self.unpacked - self.tree.size:,} less")
        largest = sorted(sizes.items(), key=lambda item: -item[1])
        raise DeployError(
            f"the layer has {self.unpacked:,} bytes, and the limit is {limit:,}",
            where=", ".join(f"{name} {count:,}" for name, count in largest),
            why="Lambda counts the function and all its layers together, unpacked" if limit == MOST else None,
            hint=f"it is {self.unpacked - limit:,} too large: {'; '.join(ways)}",
        )

    def make(self, path: Path, listener: ProgressListener) -> tuple[str, ...]:
        """Write and test the layer; the file is there only if it works. The names of what was tested.

        Raises:
            DeployError: when a wheel does not work from it.
            OSError: when it cannot be written.
        """
        with tempfile.TemporaryDirectory(prefix="wheelfarm-layer-") as scratch:
            draft = Path(scratch, "layer.zip")
            write_zip(self.tree, draft, self.bytecode)
            tests = Path(scratch, "tests")
            tested = check_layer(draft, self._environments(), self.farm.engine, tests, listener)
            copy_verified(draft, path, sha256_of_file(draft))
        return tested

    def _environments(self) -> Iterator[CleanEnvironment]:
        """A clean environment for each wheel of the farm that has a recipe."""
        for wheel in self.selection.wheels:
            recipe = self.farm.recipes.by_name.get(wheel.name)
            if recipe is not None:
                target, variant = self.selection.target, self.farm.settings.variant
                resolved = recipe.resolve(variant=variant, target=target)
                yield CleanEnvironment(recipe=recipe, resolved=resolved, target=target, wheel=wheel)


def plan_layer(
    farm: Farm,
    names: Iterable[Name],
    like: str = "",
    *,
    drop: Collection[Kind] = DROPPABLE,
    pyc: bool = False,
) -> Layer:
    """Select and lay out what a layer has.

    Args:
        farm: its settings name one Python.
        names: the distributions.
        like: the system that it runs on; empty for that of Lambda's runtime.
        drop: the kinds of files that are left out.
        pyc: whether it has bytecode.

    Raises:
        UsageError: for several Pythons, and for a system that is unknown.
        DeployError: for a wheel that is missing or does not run there, and for a path that two wheels have.
    """
    targets = farm.targets()
    if len(targets) != 1:
        chosen = ", ".join(str(target.python) for target in targets)
        raise UsageError("a layer is for one Python", where="--python", why=f"{chosen} are chosen")
    (target,) = targets
    system = find_system(like) if like else _runtime(target)
    selection = select_wheels(farm, names, target, system)
    check_system(selection.wheels, system)
    tree = lay_out([open_wheel(each.path) for each in selection.wheels], target, drop)
    bytecode: Mapping[str, bytes] = {}
    if pyc:
        interpreter = Host(farm.settings).machine.python(target.python)
        bytecode = compile_tree(tree, interpreter, programs_environment(farm.settings))
    return Layer(farm=farm, system=system, selection=selection, tree=tree, bytecode=bytecode)


def _runtime(target: Target) -> System:
    """The system of Lambda's runtime for a Python."""
    name = f"{_RUNTIME}{target.python}"
    if name not in systems():
        known = ", ".join(each.removeprefix(_RUNTIME) for each in systems() if each.startswith(_RUNTIME))
        raise UsageError(
            f"the system of Lambda's runtime for Python {target.python} is unknown",
            where="--python",
            hint=f"choose one of {known}, or name a system with --like",
        )
    return find_system(name)
