"""The room of a suite: the wheels, what pytest is told, and the plugin that knows the known failures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import UsageError
from wheelfarm.gate import ENTER, inside, lay_wheels
from wheelfarm.model import Name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wheelfarm.model import PinnedWheel
    from wheelfarm.recipes import KnownFailure, Suite

OUT: Final = "out"
"""The one directory of the room that the tests may write to and that is read afterwards."""
DRIVER: Final = "drive.py"
PLUGIN: Final = "wheelfarm_known.py"
# Without a fixed seed, the workers would collect sets of parameters in orders of their own.
_ENVIRONMENT: Final = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def tests_name(name: Name) -> Name:
    """The distribution that holds the upstream tests of another one."""
    return Name(f"{name}-tests")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which tests of a suite are run.

    Args:
        fast: upstream's own quick subset.
        keyword: an expression for pytest's -k.
        arguments: further arguments of pytest.
    """

    fast: bool = False
    keyword: str = ""
    arguments: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether pytest gets to see all tests, if only to deselect them."""
        return not self.arguments

    def words(self, suite: Suite, *, where: str) -> tuple[str, ...]:
        """The arguments of pytest.

        Raises:
            UsageError: when the quick subset is asked for and the recipe says none.
        """
        if self.fast and not suite.fast:
            raise UsageError(
                "the recipe says no quick subset",
                where=f"{where}: test.suite.fast",
                hint='what upstream\'s own CI selects, as fast = ["-m", "not slow"]',
            )
        keyword = ("-k", self.keyword) if self.keyword else ()
        return (*suite.args, *(suite.fast if self.fast else ()), *keyword, *self.arguments)


def lay_suite(
    directory: Path,
    suite: Suite,
    *,
    wheels: Sequence[PinnedWheel],
    words: Sequence[str],
    known: Sequence[KnownFailure],
    jobs: int,
) -> Path:
    """Put into a directory all that the room of a suite is given.

    Args:
        directory: made anew.
        suite: as the recipe says it.
        wheels: all that is to be installed.
        words: the arguments of pytest.
        known: the failures to expect.
        jobs: how many processes share the tests.

    Returns:
        The directory in it for what the tests leave.
    """
    manifest = {
        "driver": DRIVER,
        "wheels": lay_wheels(directory, tuple(wheels)),
        "environment": _ENVIRONMENT | suite.environment,
        "words": list(words),
        "known": [{"test": each.test, "reason": each.reason, "run": each.run} for each in known],
        "jobs": jobs,
        "out": OUT,
    }
    out = directory / OUT
    for each in (out, directory / "plugin"):
        each.mkdir()
    (directory / ENTER).write_bytes(inside(ENTER))
    for script, place in ((DRIVER, directory), (PLUGIN, directory / "plugin")):
        (place / script).write_bytes(files("wheelfarm.suite").joinpath("inside", script).read_bytes())
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return out
