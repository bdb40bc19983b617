"""A clean room to be: what is tried in it, with which Python, beside what."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from packaging.specifiers import SpecifierSet
from packaging.tags import compatible_tags, cpython_tags

from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.contents import contents

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wheelfarm.model import PinnedWheel, Python, Target
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.layers import ResolvedRecipe
    from wheelfarm.recipes.recipe_set import LoadedRecipe
    from wheelfarm.wheels.wheel import Wheel


def served(wheel: Wheel, pythons: Iterable[Python]) -> tuple[Python, ...]:
    """Those of some Pythons into which an installer would put a wheel.

    By its tags (PEP 425; abi3 serves every later Python that is not free-threaded) and its Requires-Python.
    The platform is taken for granted.
    """
    # Which bug-fix releases the interpreters are is not asked, so that `>=3.11.3` means 3.11 too.
    platforms = sorted({tag.platform for tag in wheel.tags})
    wanted = SpecifierSet(wheel.metadata.requires_python)
    return tuple(
        python
        for python in pythons
        if wanted.contains(f"{python.major}.{python.minor}.99")
        if not wheel.tags.isdisjoint(
            (
                *cpython_tags(python.version, [python.tag], platforms),
                *compatible_tags(python.version, python.tag.removesuffix("t"), platforms),
            )
        )
    )


def serves_one(wheel: Wheel) -> bool:
    """Whether a wheel is for one Python alone, which its build had: then nobody needs to look for others."""
    return all(tag.abi not in {"abi3", "none"} for tag in wheel.tags)


GATE: Final = "gate"
"""The directory of a stage in which its rooms are laid out."""
ENTER: Final = "enter.py"
DRIVER: Final = "driver.py"


@dataclass(frozen=True, kw_only=True)
class Room:
    """What one clean room is made from.

    Args:
        recipe: the recipe whose imports and smoke script are tried.
        resolved: its values here.
        target: whose Python the room has.
        wheel: the wheel whose import packages are tried.
        run_with: the wheels that are installed beside it.
        downstream: whether it is there for the sake of another wheel, which is among `run_with`.
    """

    recipe: LoadedRecipe
    resolved: ResolvedRecipe
    target: Target
    wheel: PinnedWheel
    run_with: tuple[PinnedWheel, ...] = ()
    downstream: bool = False

    @classmethod
    def of(cls, build: Build, wheel: PinnedWheel, run_with: tuple[PinnedWheel, ...] = ()) -> Room:
        """That of a build's own wheel, with its own Python."""
        return cls(
            recipe=build.recipe,
            resolved=build.resolved,
            target=build.id.target,
            wheel=wheel,
            run_with=run_with,
        )

    def with_python(self, python: Python, run_with: tuple[PinnedWheel, ...]) -> Room:
        """The same wheel with another Python, for which other wheels are needed beside it."""
        return replace(self, target=replace(self.target, python=python), run_with=run_with)

    @property
    def name(self) -> str:
        """As results and errors call it."""
        python = f"Python {self.target.python}"
        return f"{self.wheel.name} {self.wheel.version}, {python}" if self.downstream else python

    @property
    def slug(self) -> str:
        """As part of a path."""
        return f"{self.wheel.name}-{self.target.python.tag}"

    def lay(self, directory: Path) -> None:
        """Put into a directory all that the room is given."""
        test, expect = self.resolved.test, self.resolved.expect
        manifest = {
            "driver": DRIVER,
            "environment": {"PYTHONDONTWRITEBYTECODE": "1"},
            "wheels": lay_wheels(directory, (self.wheel, *self.run_with)),
            "imports": list(
                dict.fromkeys([*contents(open_wheel(self.wheel.path)).packages, *(test.imports or ())])
            ),
            "smoke": "smoke.py" if test.smoke else None,
            "cpu": expect.cpu_baseline is not None or expect.cpu_dispatch is not None,
        }
        for script in (ENTER, DRIVER):
            (directory / script).write_bytes(inside(script))
        if test.smoke:
            shutil.copyfile(self.recipe.directory / test.smoke, directory / "smoke.py")
        (directory / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def inside(script: str) -> bytes:
    """A script that runs in clean rooms."""
    return files("wheelfarm.gate").joinpath("inside", script).read_bytes()


def lay_wheels(directory: Path, wheels: tuple[PinnedWheel, ...]) -> list[dict[str, str]]:
    """Put wheels into a new directory, and tell of each what an installer has to know."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for wheel in wheels:
        shutil.copyfile(wheel.path, directory / wheel.path.name)
    return [{"name": each.name, "file": each.path.name, "sha256": each.sha256} for each in wheels]
