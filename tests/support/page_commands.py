"""Checks of the command lines of pages, by the parsers of invoke and nox and by what reads the values.

What the check of a command line cannot know is in the tables, each entry with its reason.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from invoke.collection import Collection
from invoke.exceptions import Exit
from nox._options import options as nox_options

from support.pages import Block, read_commands
from wheelfarm.cli.program import FarmProgram, StrictProgram, collection
from wheelfarm.cli.task import ALL, OPTIONS
from wheelfarm.deploy.tree import DROPPABLE
from wheelfarm.errors import UsageError
from wheelfarm.gate.systems import find_system
from wheelfarm.index.consumer import Tool
from wheelfarm.recipes.settings import load, parse_size, split_words
from wheelfarm.recipes.strict import suggestion
from wheelfarm.run.publication import named_releases
from wheelfarm.run.shell import Moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Collection as Known

    from invoke.parser.context import ParserContext

    from support.pages import Command

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FARM: Final[dict[str, Any]] = PROJECT["tool"]["wheelfarm"]
RECIPES: Final = frozenset(path.parent.name for path in ROOT.glob("recipes/*/recipe.toml"))
TASKS: Final = collection()

EXAMPLES: Final[dict[str, tuple[frozenset[str], str]]] = {
    "docs/concepts/plan-and-keys.md": (frozenset({"cython"}), "only locks have it, and the sentence says so"),
    "docs/how-to/add-a-variant.md": (frozenset({"avx2"}), "the page adds the variant"),
    "docs/how-to/bootstrap-a-requirement.md": (
        frozenset({"scikit-image", "statsmodels", "h5py"}),
        "recipe.new writes the recipe",
    ),
    "docs/how-to/migrate-from-fromager.md": (frozenset({"matplotlib"}), "recipe.new writes the recipe"),
    "docs/how-to/migrate-from-pip-flags.md": (frozenset({"lz4"}), "recipe.new writes the recipe"),
    "docs/how-to/own-farm.md": (
        frozenset({"markupsafe", "fetch-base"}),
        "wheelfarm init brings the recipe; a farm with a base in a repository has the session",
    ),
    "docs/how-to/publish.md": (frozenset({"public"}), "the page adds the index"),
    "docs/how-to/write-a-recipe.md": (frozenset({"markupsafe"}), "recipe.new writes the recipe"),
    "docs/tutorial/your-package.md": (frozenset({"lz4"}), "recipe.new writes the recipe"),
}
"""Page → recipes, variants and indexes that are there once the reader has done what it says, and why."""

OTHERS: Final = {
    ".": "reads a file of the reader's shell",
    "apt-get": "the system's own",
    "cd": "the shell's own",
    "chmod": "the system's own",
    "cosign": "a program of the reader's; tests/provenance/test_signing_programs.py runs it",
    "dask": "Dask's own; tests/support/dask_cluster.py starts real schedulers and workers",
    "echo": "the shell's own",
    "export": "the shell's own; variables of the farm are checked",
    "find": "the system's own",
    "git": "the reader's work in a repository or a patch tree",
    "grep": "reads the output of the program before it",
    "ld-linux-x86-64.so.2": "the system's loader",
    "mkdir": "the system's own",
    "openssl": "the system's own; tests/provenance/test_site_keys.py verifies with it",
    "pkcs11-tool": "OpenSC's; tests/provenance/test_signing_programs.py runs it",
    "pip": "installs from the reader's index",
    "podman": "needs the images of the reader's machine; tests/engine builds such images",
    "python": "runs what is installed in the reader's environment",
    "python3": "makes the reader's environment",
    "redis-server": "needs a machine for it; tests/server starts one",
    "tar": "the system's own",
    "uv": "installs from the reader's index",
}
"""Programs that are not the farm's → why their words are not parsed."""

SCRIPTS: Final = {
    "bench": "bench/bench.py",
    "bench-rebuilds": "bench/rebuilds.py",
    "bench-stack": "bench/stack.py",
    "fuzz": "tests/fuzz/run.py",
    "hostile": "tests/hostile/kills.py",
    "new-recipes": "tests/new_recipes/run.py",
    "public-wheels": "tests/public/run.py",
}
"""Session → the program that gets what follows `--`."""


def _words_of(known: Known[str]) -> Callable[[str], None]:
    def read(text: str) -> None:
        for word in split_words(text):
            if word not in known:
                raise UsageError(f"unknown word {word!r}", hint=suggestion(word, known))

    return read


VALUES: Final[dict[str, Callable[[str], object]]] = {
    "at": Moment,
    "like": find_system,
    "limit": parse_size,
    "recipes": _words_of(RECIPES),
    "tool": Tool,
}
"""Option of a task → what reads its value, where that is no setting."""
PACKAGES: Final = {"packages", "package", "release"}
WHEELS: Final = {"wheel", "before", "after"}


class Reader(StrictProgram):
    """`inv`, which raises what is wrong with a command line."""

    def refuse(self, problem: UsageError, cause: Exception | None = None) -> Any:
        raise problem from cause


class JoiningReader(FarmProgram):
    """The console script, which does the same."""

    refuse = Reader.refuse


def _tasks_in(words: tuple[str, ...]) -> Collection:
    """The tasks that a command line may mean: for each line, invoke copies all that it is given."""
    named = dict.fromkeys(word.partition(".")[0] for word in words if word in TASKS.task_names)
    few = Collection()
    for name in named:
        if name in TASKS.collections:
            few.add_collection(TASKS.collections[name])
        else:
            few.add_task(TASKS[name], name=name)
    return few if named else TASKS


@cache
def _sessions() -> frozenset[str]:
    """The names of all sessions, also those of variants."""
    words = [sys.executable, "-m", "nox", "--list", "--json", "--noxfile", str(ROOT / "noxfile.py")]
    words += ["--keywords", "tests or not tests"]  # by itself it lists those that plain `nox` runs
    listed = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    return frozenset(each["session"] for each in json.loads(listed.stdout))


@cache
def examples(page: Path) -> frozenset[str]:
    """Names that are there once the reader has done what the page says."""
    entry = EXAMPLES.get(page.relative_to(ROOT).as_posix()) if page.is_relative_to(ROOT) else None
    return entry[0] if entry else frozenset()


def _is_placeholder(word: str) -> bool:
    return re.fullmatch(r"[A-Z]+(==[A-Z]+)?", word) is not None


def _check_tasks(words: tuple[str, ...], page: Path, program: type[FarmProgram] = Reader) -> None:
    """Raise what the farm's own parser and readers find in the words of `inv`."""
    reader = program(name="inv", namespace=_tasks_in(words))
    reader.create_config()
    with suppress(Exit):  # as for --print-completion-script, where there is no more to parse
        reader.parse_core(["inv", *words])
        reader.parse_collection()
        reader.parse_tasks()
        for context in reader.tasks:
            _check_values(context, page)


def _check_values(context: ParserContext, page: Path) -> None:
    settings: dict[str, str] = {}
    for argument in context.args.values():
        key, value = str(argument.name), argument.value
        if not value or not isinstance(value, str) or _is_placeholder(value) or value in examples(page):
            continue
        if read := _reader_of(key, str(context.name), page):
            read(value)
        elif key in OPTIONS and (setting := OPTIONS[key].setting):
            settings[setting] = value
    if settings:
        load(ROOT, environ={}, options=settings)


def _reader_of(key: str, task: str, page: Path) -> Callable[[str], object] | None:
    """What reads the value of a word or an option that is no setting."""
    if key in PACKAGES:
        known = RECIPES | examples(page)
        return None if task == "recipe.new" else lambda text: _check_packages(text, known)
    if key in WHEELS:
        if task == "plan":
            return lambda text: _check_packages(text, RECIPES)
        return lambda text: None if text.endswith(".whl") else _words_of(RECIPES | {"public"})(text)
    if key == "index":
        return _words_of({*FARM["index"], "wheelhouse"})
    if key == "keep" and task.startswith("deploy."):
        return _words_of(DROPPABLE)
    return VALUES.get(key)


def _check_packages(text: str, known: Known[str]) -> None:
    if text != ALL:
        _words_of(known)(",".join(named_releases(text) or ()))


def _check_sessions(words: tuple[str, ...], page: Path) -> None:
    """Raise what nox's own parser and the farm's sessions find in the words of `nox`."""
    try:
        options = nox_options.parse_args(list(words))
    except SystemExit as end:
        raise UsageError(f"nox refuses {' '.join(words)}") from end
    for name in options.sessions or ():
        package = re.sub(r"^(build|test)-|\(.+\)$", "", name)
        is_example = not examples(page).isdisjoint({package, *re.findall(r"\((.+)\)$", name)})
        if name not in _sessions() and not is_example and not _is_placeholder(package):
            raise UsageError(f"there is no session {name}", hint=suggestion(name, _sessions()))
        _check_passed_on(name, package, tuple(options.posargs), page)


def _check_passed_on(session: str, package: str, words: tuple[str, ...], page: Path) -> None:
    """Raise what is wrong with what follows `--`."""
    if session in SCRIPTS:
        script = ast.parse((ROOT / SCRIPTS[session]).read_text(encoding="utf-8"))
        known = {each.value for each in ast.walk(script) if isinstance(each, ast.Constant)}
        wrong = [word for word in words if word.startswith("--") and word not in known]
    elif task := {"build": "chain", "test": "test", "doctor": "doctor"}.get(session.partition("-")[0]):
        _check_tasks((task, *([] if task == "doctor" else [package]), *words), page)
        wrong = []
    elif session == "tests":
        wrong = [word for word in words if "/" in word and not (ROOT / word).exists()]
    else:
        wrong = [*words]
    if wrong:
        raise UsageError(f"the session {session} cannot take {' '.join(wrong)}")


def program_of(command: Command) -> str:
    """The name of the program, without its directory."""
    return command.words[0].rpartition("/")[2] if command.words else "export"


def _check_command(command: Command, page: Path) -> None:
    variables = {name: value for name, value in command.variables if name.startswith("WHEELFARM_")}
    if variables:
        load(ROOT, environ=variables)
    name, words = program_of(command), command.words[1:]
    if name == "inv":
        _check_tasks(words, page)
    elif name == "wheelfarm":
        _check_tasks(words, page, JoiningReader)
    elif name == "nox":
        _check_sessions(words, page)
    elif command.words and command.words[0].startswith(".ci/"):
        if not (ROOT / command.words[0]).is_file():
            raise UsageError(f"there is no file {command.words[0]}")
    elif name not in OTHERS:
        raise UsageError(f"{name} is no program of the farm", hint="give a reason in OTHERS")


def check_shell(block: Block) -> None:
    """Raise what is wrong with the commands of a block."""
    for command in read_commands(block.text):
        _check_command(command, block.page)


def check_inline(block: Block) -> None:
    """Raise what is wrong with a command in a sentence, which need not name packages."""
    first, *words = block.text.split()
    if first not in ("inv", "wheelfarm", "nox"):
        return
    text = re.sub(r"\w*<\w+>", "NAME", block.text)
    if first != "nox" and len(words) == 1 and words[0] in TASKS.task_names:
        return
    for missing in ("", " NAME", " NAME NAME"):
        try:
            check_shell(replace(block, text=text + missing))
        except UsageError as error:
            if "` needs " not in str(error) or missing == " NAME NAME":
                raise
        else:
            return


_INSTRUCTIONS: Final = {"FROM", "RUN", "ENV", "COPY", "CMD", "ENTRYPOINT", "WORKDIR", "USER", "ARG"}


def check_dockerfile(block: Block) -> None:
    """Raise what is wrong with instructions, the names of stages, and the commands of RUN."""
    stages: set[str] = set()
    for line in filter(None, block.text.replace("\\\n", " ").splitlines()):
        instruction, *words = line.split()
        if instruction not in _INSTRUCTIONS or not words or (instruction != "FROM" and not stages):
            raise UsageError(f"no instruction of a Dockerfile: {line}")
        for word in words:
            if word.startswith("--from=") and word.removeprefix("--from=") not in stages:
                raise UsageError(f"there is no stage for {word}")
        if instruction == "FROM":
            stages |= {words[-1]}
        if instruction == "RUN":
            check_shell(replace(block, text=line.removeprefix("RUN")))
