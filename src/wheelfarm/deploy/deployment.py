"""What is deployed, before anything is written: selected, laid out, and compared with its limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wheelfarm.build.host_engine import Host, programs_environment
from wheelfarm.deploy.bytecode import compile_tree
from wheelfarm.deploy.comments import strip_comments
from wheelfarm.deploy.selection import check_system, savings, select_wheels
from wheelfarm.deploy.tree import COMMENTS, DROPPABLE, lay_out
from wheelfarm.errors import DeployError, UsageError
from wheelfarm.gate.clean_environment import CleanEnvironment
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from wheelfarm.deploy.selection import Selection
    from wheelfarm.deploy.tree import Tree
    from wheelfarm.gate.systems import System
    from wheelfarm.model import Name, Target
    from wheelfarm.run.farm import Farm


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Sizes are bytes.

    Args:
        noun: what it becomes, for messages.
        farm: where its wheels are from.
        system: where it runs.
        selection: the wheels.
        tree: their files.
        bytecode: by path; empty without.
    """

    noun: str
    farm: Farm
    system: System
    selection: Selection
    tree: Tree
    bytecode: Mapping[str, bytes]

    @property
    def unpacked(self) -> int:
        return self.tree.size + sum(map(len, self.bytecode.values()))

    def check_limit(self, limit: int, *, base: int = 0, why: str | None = None) -> None:
        """Refuse what is too large, with what each way to make it smaller saves.

        Args:
            limit: the most bytes of all.
            base: bytes of what is below it.
            why: where the limit is from.

        Raises:
            DeployError: when it is larger than the limit.
        """
        whole = base + self.unpacked
        if whole <= limit:
            return
        sizes = {name: sum(kinds.values()) for name, kinds in self.tree.sizes().items()}
        ways = [f"a smaller base: {base:,} of it are the base's"] if base else []
        if self.bytecode:
            ways.append(f"without --pyc: {self.unpacked - self.tree.size:,} less")
        less = savings(self.farm, self.selection, sizes, self.system)
        ways += [f"without {name} and what only it needs: {count:,} less" for name, count in less.items()]
        largest = sorted((({"base": base} if base else {}) | sizes).items(), key=lambda item: -item[1])
        raise DeployError(
            f"the {self.noun} has {whole:,} bytes, and the limit is {limit:,}",
            where=", ".join(f"{name} {count:,}" for name, count in largest),
            why=why,
            hint=f"it is {whole - limit:,} too large: {'; '.join(ways)}",
        )

    def environments(self) -> Iterator[CleanEnvironment]:
        """A clean environment for each wheel of the farm that has a recipe."""
        for wheel in self.selection.wheels:
            recipe = self.farm.recipes.by_name.get(wheel.name)
            if recipe is not None:
                target, variant = self.selection.target, self.farm.settings.variant
                resolved = recipe.resolve(variant=variant, target=target)
                yield CleanEnvironment(recipe=recipe, resolved=resolved, target=target, wheel=wheel)


def one_target(farm: Farm, noun: str) -> Target:
    """The only target of the farm's settings.

    Raises:
        UsageError: for several Pythons or platforms.
    """
    targets = farm.targets()
    chosen = {
        "Python": ("--python", {str(target.python) for target in targets}),
        "platform": ("--platform", {target.platform_suffix for target in targets}),
    }
    for word, (option, found) in chosen.items():
        if len(found) != 1:
            why = f"{', '.join(sorted(found))} are chosen"
            raise UsageError(f"{noun} is for one {word}", where=option, why=why)
    return targets[0]


def plan_deployment(
    noun: str,
    farm: Farm,
    names: Iterable[Name],
    target: Target,
    system: System,
    *,
    option: str,
    drop: Collection[str] = DROPPABLE,
    pyc: bool = False,
) -> Deployment:
    """Select and lay out wheels.

    Args:
        noun: what it becomes, for messages.
        farm: its wheelhouse and locks have the wheels.
        names: the distributions.
        target: the Python and the platform.
        system: where it runs.
        option: the command line's option that chooses the system; empty where that is not known.
        drop: of DROPPABLE, what is left out.
        pyc: whether it has bytecode.

    Raises:
        DeployError: for a wheel that is missing or does not run there, and for a path that two wheels have.
    """
    selection = select_wheels(farm, names, target, system)
    if option:
        check_system(selection.wheels, system, option)
    tree = lay_out([open_wheel(each.path) for each in selection.wheels], target, drop)
    if COMMENTS in drop:
        tree = strip_comments(tree)
    bytecode: Mapping[str, bytes] = {}
    if pyc:
        interpreter = Host(farm.settings).machine.python(target.python)
        bytecode = compile_tree(tree, interpreter, programs_environment(farm.settings))
    return Deployment(noun=noun, farm=farm, system=system, selection=selection, tree=tree, bytecode=bytecode)
