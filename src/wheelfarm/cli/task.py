"""The task class: shared options with their help and short flags, the farm, errors and exit codes."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from invoke.exceptions import Exit
from invoke.tasks import Task

from wheelfarm.errors import BuildDirectoryError, Collector, FarmError, UnexpectedError, UsageError
from wheelfarm.model import DEFAULT_LIMITS, Limits, parse_name
from wheelfarm.recipes.settings import load, split_words
from wheelfarm.report.run_report import RunReport
from wheelfarm.report.screen import Screen, log_to_screen
from wheelfarm.run.farm import Farm
from wheelfarm.run.nightlies import describe_commit, find_commits
from wheelfarm.run.publication import named_releases
from wheelfarm.system.files import os_problem
from wheelfarm.system.logs import unexpected
from wheelfarm.system.signals import ignore_signals, interruptible
from wheelfarm.system.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from wheelfarm.model import Name
    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan
    from wheelfarm.recipes.nightly import NightlyCommit
    from wheelfarm.run.outcome import Outcome

    Body = Callable[..., None]

ALL: Final = "all"
"""The word for all packages."""


@dataclass(frozen=True)
class Option:
    """An option that means the same in every task that has it."""

    help: str
    setting: str | None = None
    """The key of `[tool.wheelfarm]` whose value it replaces."""
    flag: str | None = None
    """The value that it stands for; None where the command line gives the value."""
    short: str | None = None

    @property
    def default(self) -> bool | None:
        """What invoke sees: False makes a flag of it."""
        return None if self.flag is None else False


OPTIONS: Final[Mapping[str, Option]] = {
    "variant": Option("a farm-wide choice, such as openblas or reference", setting="variant", short="v"),
    "python": Option("feature versions, such as 3.11 or 3.11,3.13", setting="pythons", short="p"),
    "platform": Option(
        "what to build for, such as musllinux_x86_64 or manylinux_x86_64,manylinux_aarch64; by default this "
        "machine's own",
        setting="platform",
    ),
    "engine": Option("cibuildwheel or host; what this machine has by default", setting="engine", short="e"),
    "jobs": Option("processors for all builds that run at once", setting="jobs", short="j"),
    "memory": Option("memory for all builds that run at once, such as 12G", setting="memory"),
    "offline": Option("use what the cache holds and no network", setting="offline", flag="true"),
    "release": Option(
        "build from nothing: no compiler cache, no build cache", setting="release", flag="true"
    ),
    "trust_numpy_abi": Option(
        "test stored wheels, and build nothing, where NumPy alone changed and has the C API that they need",
        setting="trust-numpy-abi",
        flag="true",
    ),
    "no_compiler_cache": Option("without ccache and the build cache", setting="compiler-cache", flag="false"),
    "no_remote": Option("build what the farm's indexes have already", setting="remote", flag="false"),
    "workers": Option(
        "address of the Dask scheduler whose workers build, as tcp://scheduler:8786; none: this machine",
        setting="workers",
    ),
    "dry_run": Option("only show what would be done", flag="true", short="n"),
    "nightly": Option(
        "build the newest commit of the branch that the recipe names, as a development version", flag="true"
    ),
    "json": Option("write the result as JSON to standard output", flag="true"),
    "packages": Option("distributions, separated by commas, or all"),
    "index": Option("its name in [tool.wheelfarm.index]; needed only where there are several"),
    "signer": Option(
        "who must have signed, in place of who is in the settings: a public key, an address or a url"
    ),
    "wheel": Option("a wheel file, or a distribution: the farm's wheel of it"),
}
"""Every option and word that several tasks have, and the only short flags that there are."""

PLANNING: Final = ("variant", "python", "platform", "engine")
"""What selects builds."""


@dataclass(frozen=True)
class Invocation:
    """One call of a task: the shared options that it got, and where its answer goes."""

    options: Mapping[str, str | bool | None]
    problems: Collector = field(default_factory=Collector)
    """What makes the task fail once it has done the rest."""
    versions: dict[str, str] = field(default_factory=dict)
    """Recipe → the version that the packages name."""
    commits: tuple[NightlyCommit, ...] = ()
    """What nightlies are built of."""

    @cached_property
    def farm(self) -> Farm:
        """The farm around the current directory, with its settings and the options over them."""
        values = {
            option.setting: option.flag or str(value)
            for name, value in self.options.items()
            if value and (option := OPTIONS[name]).setting
        }
        settings = load(farm_root(Path.cwd()), options=values)
        return Farm(settings=settings.replace(versions=dict(self.versions)), commits=self.commits)

    def choose(self, packages: str) -> list[Name] | None:
        """The distributions of a word, each perhaps with the version of a recipe; None for all.

        It must come before the farm is used: a version is another recipe.
        """
        if "==" not in packages:
            return parse_packages(packages)
        releases = named_releases(packages) or {}
        self.versions.update({name: version for name, version in releases.items() if version is not None})
        return list(releases)

    def with_nightlies(self, names: Sequence[Name] | None) -> Invocation:
        """The same call; with `--nightly`, its packages are built of the newest commits of their branches."""
        if not self.options.get("nightly"):
            return self
        commits = find_commits(self.farm, names)
        self.screen.lines(map(describe_commit, commits))
        return replace(self, commits=commits)

    @property
    def limits(self) -> Limits:
        """Those of the farm; the defaults outside of one."""
        try:
            farm_root(Path.cwd())
        except UsageError:
            return DEFAULT_LIMITS
        return self.farm.settings.limits.values()

    @property
    def screen(self) -> Screen:
        return Screen.standard()

    @property
    def json(self) -> bool:
        return bool(self.options.get("json"))

    @property
    def dry_run(self) -> bool:
        return bool(self.options.get("dry_run"))

    def show(self, data: object, lines: Iterable[str]) -> None:
        """Write the answer to standard output: data with `--json`, else lines."""
        if self.json:
            self.screen.data(data)
        else:
            self.screen.result(lines)

    def fresh(self) -> Invocation:
        """The same call, with what is on the disk now."""
        return Invocation(self.options, versions=self.versions, commits=self.commits)

    def plan(self, names: Sequence[Name] | None) -> Plan:
        """The plan for some distributions, or all; the task fails in the end for those that it refuses."""
        plan = self.farm.plan(names)
        with self.problems.collect():
            plan.check()
        return plan

    def select(self, packages: str) -> tuple[Plan, tuple[Build, ...]]:
        """The plan for packages and all that they need, and the builds of the packages themselves."""
        names = self.choose(packages)
        plan = self.plan(names)
        return plan, plan.builds if names is None else plan.only(names).builds

    def run(self, plan: Plan) -> tuple[Outcome, ...]:
        """Run a plan, and report its progress."""
        farm, expected = self.farm, self.farm.expected(plan)
        environ = farm.settings.environ
        with RunReport(self.screen, builds=plan.builds, expected=expected, environ=environ) as report:
            return farm.run(plan, report, expected=expected)

    def append(self, variable: str, text: str) -> bool:
        """Append text to the file that a GitHub runner names in a variable; False elsewhere."""
        file = self.farm.settings.environ.get(variable)
        if file:
            with Path(file).open("a", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
        return bool(file)


class FarmTask(Task["Callable[..., Any]"]):
    """A task of the farm.

    Args:
        body: takes an `Invocation`, then its own words and options.
        shared: the names of the shared options that it has besides.
        texts: what its own words and options mean.
        name: what it is called; the body's name by default.
    """

    def __init__(
        self, body: Body, *, shared: tuple[str, ...], texts: Mapping[str, str], name: str | None
    ) -> None:
        self.shared = shared
        self._texts = {**{key: option.help for key, option in OPTIONS.items()}, **texts}
        super().__init__(body, name=name, auto_shortflags=False)

    def argspec(self, body: Body) -> Signature:
        """The signature that invoke makes options of: the body's own, then the shared ones."""
        signature = super().argspec(body)
        shared = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=OPTIONS[name].default) for name in self.shared
        ]
        return signature.replace(parameters=[*signature.parameters.values(), *shared])

    def arg_opts(self, name: str, default: Any, taken_names: set[str]) -> dict[str, Any]:  # noqa: ANN401
        """How invoke reads one option: every one has a help, and only some have a short flag."""
        options = super().arg_opts(name, default, taken_names) | {"help": self._texts[name]}
        short = OPTIONS[name].short if name in OPTIONS else None
        options["names"] += [short] if short else []
        return options

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Call the body; its errors become messages and exit codes."""
        options = {name: kwargs.pop(name, None) for name in self.shared}
        with exit_codes():
            call = Invocation(options)
            self.body(call, *args[1:], **kwargs)
            call.problems.check()
        self.times_called += 1


def task(*shared: str, name: str | None = None, **texts: str) -> Callable[[Body], FarmTask]:
    """Make a task of a function, with shared options and the help of its own ones."""
    return lambda body: FarmTask(body, shared=shared, texts=texts, name=name)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Report the errors of a block, and end with the exit code of their class."""
    log_to_screen()
    # CI cancels with SIGTERM: it ends children and containers as Ctrl-C does.
    with interruptible():
        try:
            yield
        except FarmError as error:
            Screen.standard().error(error)
            raise Exit(code=error.exit_code) from error
        except BrokenPipeError:
            # The reader has ended, as `head` does; what is left has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise Exit(code=141) from None
        except OSError as error:
            problem = os_problem(BuildDirectoryError, "a file cannot be used", error)
            Screen.standard().error(problem)
            raise Exit(code=problem.exit_code) from error
        except KeyboardInterrupt:
            # All that ran has ended; another signal would end the line that says so.
            ignore_signals()
            Screen.standard().say("interrupted: finished builds are stored")
            raise Exit(code=130) from None
        except Exit:
            raise
        except Exception as error:
            Screen.standard().error(unexpected(error))
            raise Exit(code=UnexpectedError.exit_code) from error


def farm_root(start: Path) -> Path:
    """The nearest directory whose pyproject.toml has `[tool.wheelfarm]`, or recipes/ next to it."""
    for directory in (start, *start.parents):
        project = directory / "pyproject.toml"
        if project.is_file() and ((directory / "recipes").is_dir() or _has_table(project)):
            return directory
    raise UsageError(
        "this is no farm",
        where=str(start),
        why="there is no pyproject.toml with [tool.wheelfarm] or with recipes/ next to it",
        hint="wheelfarm init starts one here",
    )


def _has_table(project: Path) -> bool:
    """Whether there is `[tool.wheelfarm]`; in a broken file its name is enough: `load` reports the rest."""
    text = project.read_text(encoding="utf-8", errors="replace")
    try:
        tool = parse_toml(text).get("tool")
    except ValueError:
        return "tool.wheelfarm" in text
    return isinstance(tool, dict) and "wheelfarm" in tool


def parse_packages(text: str) -> list[Name] | None:
    """Distributions separated by commas; None for all."""
    if text == ALL:
        return None
    names = [parse_name(word) for word in split_words(text)]
    if not names:
        raise UsageError(f"{text!r} names no package", hint="inv recipe.list shows what there is")
    return names


def parse_releases(text: str) -> dict[Name, str | None] | None:
    """Distributions, each perhaps with a version as `scipy==1.17.1`; None for all."""
    return None if text == ALL else named_releases(text)
