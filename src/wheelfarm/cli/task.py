"""What every task does: find the farm, load settings with the words given, turn errors into exit codes."""

from __future__ import annotations

import functools
import os
import signal
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from invoke.exceptions import Exit

from wheelfarm.errors import BuildDirectoryError, FarmError, UsageError
from wheelfarm.model import parse_name
from wheelfarm.recipes.settings import load
from wheelfarm.report.screen import Screen, log_to_screen
from wheelfarm.run.farm import Farm
from wheelfarm.system.logs import print_logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheelfarm.model import Name
    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan

P = ParamSpec("P")
_WITH_VALUE = {
    "--variant",
    "--python",
    "--engine",
    "--jobs",
    "--memory",
    "--stamp",
    "--packages",
    "--work",
    "--index",
    "--reason",
    "--keep",
    "--output",
    "--place",
    "--platforms",
    "--provider",
    "-l",
    "-v",
    "-p",
    "-e",
    "-j",
    "-s",
    "-w",
}


def positional_words(task: str, *names: str) -> list[str]:
    """The positional words of a task: as many of them as the command line has words for.

    In invoke a positional word may not be missing, but `inv recipe.check` is for all recipes and
    `inv recipe.check scipy` for one.
    """
    after = sys.argv[sys.argv.index(task) :] if task in sys.argv else []
    bare = [
        word for before, word in pairwise(after) if not word.startswith("-") and before not in _WITH_VALUE
    ]
    return list(names[: len(bare)])


def packages_word(task: str) -> list[str]:
    """`packages`, when the command line has a word for it."""
    return positional_words(task, "packages")


_WORDS = {
    "packages": "distributions, separated by commas",
    "all": "all recipes",
    "index": "its name in [tool.wheelfarm.index]; not needed where there is only one",
    "releases": "distributions, separated by commas, each perhaps with a version, as scipy==1.17.1",
    "variant": "a farm-wide choice, such as openblas or reference",
    "python": "feature versions, such as 3.11 or 3.11,3.13",
    "place": "what to build for, as musllinux_x86_64; by default this machine's own",
    "engine": "cibuildwheel or host; by default what this machine has",
    "jobs": "processors for all builds that run at once",
    "memory": "what they may hold together, as 12G; by default what the machine has",
    "release": "from nothing: no compiler cache, no kept build directory",
    "no_remote": "build, even what the farm's indexes have already",
    "no_compiler_cache": "without ccache and kept build directories",
    "offline": "use what the cache holds and no network",
    "dry_run": "only say what would be done",
    "json": "the result as JSON on standard output",
}
"""The words that mean the same in all tasks, and after `--` in nox."""


def words(*names: str, **others: str) -> dict[str, str]:
    """The help of a task: shared words by name, others with their text."""
    return {name: _WORDS[name] for name in names} | others


def open_farm(
    *,
    variant: str | None = None,
    python: str | None = None,
    place: str | None = None,
    engine: str | None = None,
    jobs: str | None = None,
    memory: str | None = None,
    offline: str | None = None,
    release: str | None = None,
    compiler_cache: str | None = None,
    remote: str | None = None,
) -> Farm:
    """The farm that one stands in, with what the command line said.

    Raises:
        SettingsError: for anything wrong in `[tool.wheelfarm]` or a variable.
        UsageError: for a wrong option.
    """
    options = {
        "variant": variant,
        "pythons": python,
        "platform": place,
        "engine": engine,
        "jobs": jobs,
        "memory": memory,
        "offline": offline,
        "release": release,
        "compiler-cache": compiler_cache,
        "remote": remote,
    }
    settings = load(farm_root(Path.cwd()), options=options)
    screen = Screen.standard()
    print_logs(screen.say)
    return Farm(settings=settings, say=screen.say)


def selected(
    packages: str,
    *,
    variant: str | None,
    python: str | None,
    engine: str | None,
    jobs: str | None = None,
) -> tuple[Farm, Plan, tuple[Build, ...]]:
    """The farm, the plan for some packages and all that they need, and the builds of those packages alone.

    Raises:
        FarmError: for anything wrong in recipes, words or this machine.
    """
    farm = open_farm(variant=variant, python=python, engine=engine, jobs=jobs)
    names = split_names(packages) or []
    plan = farm.plan(names)
    return farm, plan, plan.only(names).builds


def farm_root(start: Path) -> Path:
    """The directory of the farm: the nearest whose pyproject.toml has a farm's table, or recipes/ beside it.

    Raises:
        UsageError: when there is none.
    """
    for directory in (start, *start.parents):
        project = directory / "pyproject.toml"
        if project.is_file() and ((directory / "recipes").is_dir() or _has_table(project)):
            return directory
    raise UsageError(
        "this is no farm",
        where=str(start),
        why="there is no pyproject.toml with [tool.wheelfarm] or with recipes/ beside it",
    )


def _has_table(project: Path) -> bool:
    """Whether there is `[tool.wheelfarm]`; in a broken one its name is enough: `load` tells the rest."""
    text = project.read_text(encoding="utf-8", errors="replace")
    try:
        tool = tomllib.loads(text).get("tool")
    except tomllib.TOMLDecodeError:
        return "tool.wheelfarm" in text
    return isinstance(tool, dict) and "wheelfarm" in tool


def split_names(text: str | None) -> list[Name] | None:
    """Distributions separated by commas; None when unsaid.

    Raises:
        UsageError: when there is no name between the commas, or one that is none.
    """
    if text is None:
        return None
    names = [parse_name(part.strip()) for part in text.split(",") if part.strip()]
    if not names:
        raise UsageError(f"{text!r} names no package", hint="inv recipe.list shows what there is")
    return names


def farm_task(function: Callable[P, Any]) -> Callable[P, None]:
    """A task whose errors are told in the farm's way, with the exit code of their class."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        # CI cancels with SIGTERM: it ends children and containers as Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        log_to_screen()
        try:
            function(*args, **kwargs)
        except FarmError as error:
            Screen.standard().error(error)
            raise Exit(code=error.exit_code) from error
        except BrokenPipeError:
            # Whoever read our output has seen enough, as `head` has; what is left has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise Exit(code=141) from None
        except OSError as error:
            problem = BuildDirectoryError(
                "a file cannot be used", where=error.filename, why=error.strerror or str(error)
            )
            Screen.standard().error(problem)
            raise Exit(code=problem.exit_code) from error
        except KeyboardInterrupt:
            Screen.standard().say("interrupted: what is finished is kept")
            raise Exit(code=130) from None

    return guarded
