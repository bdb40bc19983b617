"""Reads the progress of a build from the lines of its output."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

_NINJA: Final = re.compile(r"\s*\[\s*(\d+)/(\d+)\]\s+(?P<text>.*)")
"""Ninja's own progress, as in `[12/345] Compiling C object …`."""
_PATH: Final = re.compile(r"(/|[A-Za-z]:\\)")
"""meson-python numbers the files that it packs in the same way, each by nothing but its path."""
_ESCAPE: Final = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")
"""What colors a line or moves the cursor (ECMA-48: CSI, OSC and the short sequences)."""
_FILE: Final = re.compile(r"['\"]?(?P<path>[^\s'\"]*[/\\][^\s'\"]+|[^\s'\"]+\.\w+)['\"]?")
_COMMAND: Final = re.compile(r"\S+ .*?\s-c\s+(?P<path>[^\s'\"]+\.\w+)")
"""A compiler's own command, as setuptools prints it."""
_TAGGED: Final = re.compile(r"\.(cpython-\d+t?-[\w-]+|abi3|cp\d+t?-\w+)(?=\.(so|pyd)$)")
_MESON: Final = re.compile(r"^(meson-generated_|src_)+(\.\._)*")
_LONGEST: Final = 400
"""Characters of a line that are read: a linker's command can have a hundred thousand."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a compile: its number, of how many, and what it does to which file."""

    number: int
    of: int
    verb: str
    what: str


def plain(line: str) -> str:
    """A line in which each character takes one column, without escape sequences."""
    text = _ESCAPE.sub("", line[:_LONGEST]).expandtabs().strip()
    return "".join(each if _single(each) else "?" for each in text)


def _single(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    wide = unicodedata.east_asian_width(character) in {"W", "F"}
    return character.isprintable() and not wide and not unicodedata.combining(character)


def read_step(line: str) -> Step | None:
    """The step that a line reports; None for any other line, and for files that are only packed."""
    match = _NINJA.match(line[:_LONGEST])
    if match is None or _PATH.match(match["text"]):
        return None
    number, of = int(match[1]), int(match[2])
    verb, what = shorten(match["text"])
    return Step(number=min(number, of), of=of, verb=verb, what=what) if of else None


def shorten(line: str) -> tuple[str, str]:
    """Verb and file: `Compiling C object a/b.p/src_c.c.o` gives `Compiling` and `c.c`.

    A line without a file gives no verb, and the whole line.
    """
    text = plain(line)
    command = _COMMAND.match(text)
    file = command or _FILE.search(text)
    verb = "Compiling" if command else text.partition(" ")[0]
    if file is None or not verb.istitle():
        return "", text
    # The object is named after its source; meson puts the directories that lead to it before the name.
    name = re.split(r"[/\\]", file["path"].rstrip("/\\"))[-1]
    name = name.removesuffix(".obj").removesuffix(".o")
    return verb, _TAGGED.sub("", _MESON.sub("", name) or name)
