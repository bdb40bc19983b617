"""The console script `wheelfarm`: invoke's program over the farm's tasks, with the farm's usage errors."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NoReturn

from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError
from invoke.program import Program

from wheelfarm import __version__
from wheelfarm.cli import build, ci, deploy, doctor, graph, index, init, patch, recipe, shell, stored, wheel
from wheelfarm.cli import plan as planning
from wheelfarm.cli.completion import complete_names, packages_here, words_of
from wheelfarm.errors import UsageError
from wheelfarm.recipes.strict import suggestion
from wheelfarm.report.screen import Screen

if TYPE_CHECKING:
    from invoke.parser.context import ParserContext


def collection() -> Collection:
    """All tasks of a farm, as tasks.py shows them."""
    tasks = Collection.from_module(build, name="wheelfarm")
    for task in (
        *(planning.plan, shell.open_shell, stored.run_tests, stored.reproduce, stored.report),
        *(doctor.doctor, graph.graph, init.init),
    ):
        tasks.add_task(task)
    for group in (recipe, patch, wheel, index, deploy, ci):
        tasks.add_collection(Collection.from_module(group))
    return tasks


class FarmProgram(Program):
    """A program that says what is wrong with a command line, and what was probably meant."""

    def parse_tasks(self) -> None:
        """Parse the tasks and their options.

        Raises:
            Exit: for a word or option that is unknown or missing.
        """
        while True:
            try:
                super().parse_tasks()
            except ParseError as error:
                if not self._join(error):
                    self.refuse(usage_error(error, self.collection), error)
            else:
                break
        for context in self.tasks:
            for argument in context.positional_args:
                # invoke takes an option that the task does not have for the word that is missing.
                if str(argument.value).startswith("-"):
                    self.refuse(_unknown_option(str(argument.value), context))

    def parse_cleanup(self) -> None:
        """Complete names of packages too, where the line to complete ends with a task."""
        complete_names(self)
        words = words_of(self.core.remainder) if self.args.complete.value else []
        if words and words[-1] in self.collection.task_names:
            print("\n".join(packages_here()))  # noqa: T201 - for the shell, as invoke does
        super().parse_cleanup()

    def _join(self, error: ParseError) -> bool:
        """Add a further word to the packages, as `chain numpy scipy` means; False where it is none."""
        words = surplus_word(error)
        if words is None:
            return False
        packages, word = words
        tokens = self.core.unparsed
        first = tokens.index(packages)
        del tokens[tokens.index(word, first + 1)]
        tokens[first] = f"{packages},{word}"
        return True

    def refuse(self, problem: UsageError, cause: ParseError | None = None) -> NoReturn:
        """Report a usage error, and end with its exit code."""
        Screen.standard().error(problem)
        raise Exit(code=problem.exit_code) from cause


class StrictProgram(FarmProgram):
    """The same for `inv`: packages are one word there."""

    def _join(self, _error: ParseError) -> bool:
        return False


def _unknown_word(error: ParseError) -> str | None:
    found = re.fullmatch(r"No idea what '(.+)' is!", str(error))
    return found[1] if found else None


def surplus_word(error: ParseError) -> tuple[str, str] | None:
    """The packages that a task got, and the word after them that nothing takes; None for another error."""
    word, context = _unknown_word(error), error.context
    if word is None or word.startswith("-") or context is None or "packages" not in context.args:
        return None
    packages = context.args["packages"]
    return (packages.value, word) if packages.positional and packages.value else None


def usage_error(error: ParseError, tasks: Collection) -> UsageError:
    """What is wrong with a command line, and what was probably meant."""
    word, context = _unknown_word(error), error.context
    name = context.name if context else None
    surplus = surplus_word(error)
    if surplus and surplus[0].startswith("-") and context:
        return _unknown_option(surplus[0], context)
    if surplus:
        return UsageError(f"packages are one word in `{name}`", hint=f"write {','.join(surplus)}")
    if word and word.startswith("-") and context:
        return _unknown_option(word, context)
    if word:
        return UsageError(f"there is no task {word!r}", hint=suggestion(word, tasks.task_names))
    if context and context.missing_positional_args:
        missing = " ".join(str(each.name).upper() for each in context.missing_positional_args)
        return UsageError(f"`{name}` needs {missing}", hint=_example(context))
    return UsageError(str(error), hint=f"inv --help {name}" if name else "inv --list")


def _unknown_option(word: str, context: ParserContext) -> UsageError:
    what = f"`{context.name}` has no option {word}"
    # invoke's own option, which precedes the task.
    help_of_task = f"inv --help {context.name}" if word in {"--help", "-h"} else None
    return UsageError(what, hint=help_of_task or suggestion(word, context.flag_names()))


def _example(context: ParserContext) -> str:
    words = {
        "packages": "scipy",
        "package": "scipy",
        "release": "scipy==1.17.1",
        "tool": "uv",
        "wheel": "demo.whl",
    }
    shown = [words.get(str(each.name), str(each.name).upper()) for each in context.positional_args]
    return f"inv {context.name} {' '.join(shown)}"


def adopt(program: Program) -> None:
    """Give `inv` these errors: invoke itself names neither the nearest task nor the farm's way to say it."""
    program.__class__ = StrictProgram


def main() -> None:
    """Run the console script."""
    FarmProgram(name="wheelfarm", version=__version__, namespace=collection()).run(sys.argv)
