"""What a page of the how-to says: its recipe lines, its output, and its commands as a farm's tasks."""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from support.farm import over

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from support.door import Done, Door

PAGES: Final = Path(__file__).parents[2] / "docs" / "how-to"
_FENCE: Final = re.compile(r"^```(\w+)\n(.+?)^```$", re.DOTALL | re.MULTILINE)
_WORD: Final = re.compile(r"\w+")
_SESSIONS: Final = {"build": "chain", "test": "test"}
"""First word of a session's name → the task that it calls."""


@dataclass(frozen=True)
class HowTo:
    """A page, or the part of it below a heading."""

    text: str

    @classmethod
    def read(cls, name: str, heading: str = "") -> HowTo:
        """The page of that name; from a heading on, where one is given."""
        text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
        return cls(text[text.index(f"\n{heading}\n") :] if heading else text)

    def blocks(self, language: str) -> list[str]:
        """The blocks of a language, in their order."""
        return [text for kind, text in _FENCE.findall(self.text) if kind == language]

    def recipe(self, *numbers: int) -> dict[str, Any]:
        """The lines of the recipe in some of the TOML blocks, or all, laid over each other."""
        table: dict[str, Any] = {}
        blocks = self.blocks("toml")
        for number in numbers or range(len(blocks)):
            table = over(table, tomllib.loads(blocks[number]))
        return table

    def lines(self, language: str) -> list[str]:
        """The lines of the blocks of a language."""
        return [line for block in self.blocks(language) for line in block.splitlines() if line]

    def commands(self) -> Iterator[tuple[dict[str, str], list[str]]]:
        """The variables and the words of each command."""
        for line in self.lines("sh"):
            words = shlex.split(line, comments=True)
            variables = {}
            while "=" in words[0]:
                name, _, value = words.pop(0).partition("=")
                variables[name] = value
            yield variables, words

    def run(
        self,
        farm: Door,
        stand_ins: Mapping[str, str] | None = None,
        more: Mapping[str, Sequence[str]] | None = None,
        **variables: str,
    ) -> list[Done]:
        """Run the commands in a farm, in their order, and give how each task ended.

        Args:
            farm: the tasks of a farm; `nox -s build-scipy -- -j 1` is run as the task of the session.
            stand_ins: name in the page → name of the package in its place.
            more: task → what this machine needs besides.
            variables: of all commands.
        """
        ended, stand_ins = [], stand_ins or {}
        for own, written in self.commands():
            words = [_WORD.sub(lambda word: stand_ins.get(word[0], word[0]), each) for each in written]
            task, *rest = _task(words)
            ended.append(farm.inv(task, *rest, *(more or {}).get(task, ()), **own, **variables))
        return ended


def _task(words: list[str]) -> list[str]:
    """The words of a command after `inv`."""
    match words:
        case ["inv", *rest]:
            return rest
        case ["nox", "-s", session, *rest]:
            kind, _, name = session.partition("-")
            return [_SESSIONS[kind], name, *(word for word in rest if word != "--")]
        case _:
            raise ValueError(f"no task does {shlex.join(words)}")
