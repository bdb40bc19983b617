"""The command and data blocks of pages in Markdown, and the commands of a shell block."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import TYPE_CHECKING, Final

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MARKDOWN: Final = MarkdownIt("commonmark").enable("table")
_BETWEEN: Final = {"&&", "||", ";", "|", "&", "(", ")"}
_REDIRECTIONS: Final = {">", ">>", "<"}


@dataclass(frozen=True)
class Block:
    """A fenced block, or a command in a sentence, whose language is `inline`."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A program with its words, and the variables that are set for it."""

    words: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()


def read_blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, and the code in its sentences and tables that is more than one word."""
    found = []
    for token in _MARKDOWN.parse(page.read_text(encoding="utf-8")):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "fence":
            found.append(Block(page, line, token.info.strip().partition(" ")[0], token.content))
        found += [
            Block(page, line, "inline", child.content)
            for child in token.children or ()
            if child.type == "code_inline" and " " in child.content
        ]
    return found


def read_commands(text: str) -> Iterator[Command]:
    """The commands of a shell block, without comments and redirections.

    Raises:
        ValueError: for what the shell reads in another way, as an open quote or a here-document.
    """
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        tokens = list(lexer)
        for is_between, words in groupby(tokens, key=_BETWEEN.__contains__):
            if not is_between:
                yield _command(list(words))


def _command(words: list[str]) -> Command:
    while found := [at for at, word in enumerate(words) if word in _REDIRECTIONS]:
        del words[found[0] : found[0] + 2]
    for word in words:
        if word.startswith(("<", ">")):
            raise ValueError(f"the tests cannot read {word!r}")
    if words[0] == "export":
        return Command(("export",), tuple(map(_variable, words[1:])))
    variables = list(takewhile(re.compile(r"[A-Za-z_]\w*=").match, words))
    return Command(tuple(words[len(variables) :]), tuple(map(_variable, variables)))


def _variable(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value
