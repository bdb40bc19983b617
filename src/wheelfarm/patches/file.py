"""A patch file: its header, and the hunks that errors name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import PatchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FIELD: Final = re.compile(r"([A-Z][A-Za-z-]*):[ \t]*(.*)")
_HUNK: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_DIFF: Final = re.compile(r"diff --git |--- [^ ]")
_WITHOUT_HUNKS: Final = (
    *("old mode ", "new file mode ", "deleted file mode "),
    *("rename from ", "copy from ", "GIT binary patch"),
)


@dataclass(frozen=True, kw_only=True)
class PatchFile:
    """One patch of a series."""

    path: Path


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a patch says of itself.

    Args:
        why: why the farm needs it.
        upstream: the link to the issue or change, with its status; or why there is none.
    """

    why: str
    upstream: str


@dataclass(frozen=True)
class Hunk:
    """One change of a file: its line `@@ … @@` and the first line that it is about."""

    line: str
    start: int


def read_header(path: Path) -> Header:
    """Read the text before the first diff, with its fields `Why:` and `Upstream:`.

    A field goes on to the next one or to an empty line.

    Raises:
        PatchError: when a field is missing or empty.
    """
    fields: dict[str, str] = {}
    name = ""
    for line in _lines(path):
        if _DIFF.match(line) or line == "---":
            break
        if match := _FIELD.fullmatch(line):
            name = match[1].lower()
            fields[name] = match[2].strip()
        elif not line.strip():
            name = ""
        elif name:
            fields[name] = f"{fields[name]} {line.strip()}".strip()
    missing = [f"{field}:" for field in ("Why", "Upstream") if not fields.get(field.lower())]
    if missing:
        raise PatchError(
            f"{path.name} does not say {' and '.join(missing)}",
            where=str(path),
            why="whoever bumps the version next has to know what each patch is for and where it stands",
            hint="write `Why: …` and `Upstream: <link> (<status>)` above the first diff",
        )
    return Header(why=fields["why"], upstream=fields["upstream"])


def read_hunks(path: Path) -> list[list[Hunk]]:
    """The hunks of each file that a patch changes, in its order; none for a new mode, a new name or a binary.

    Raises:
        PatchError: when the patch changes nothing.
    """
    files: list[list[Hunk]] = []
    changes = named = False
    lines = _lines(path)
    for line in lines:
        # A diff of git begins with its own line, any other with the first of its two names.
        if line.startswith("diff --git "):
            files.append([])
            named = False
        elif _DIFF.match(line):
            if named or not files:
                files.append([])
            named = True
        elif files and (match := _HUNK.match(line)):
            files[-1].append(Hunk(line, int(match[1])))
            _skip(lines, int(match[2] or 1), int(match[3] or 1))
        changes = changes or line.startswith(_WITHOUT_HUNKS)
    if not changes and not any(files):
        raise PatchError(
            f"{path.name} changes nothing",
            where=str(path),
            why="it has no hunks",
            hint="remove it, or make it anew with `git diff --binary`",
        )
    return files


def _skip(lines: Iterator[str], old: int, new: int) -> None:
    """Read past the lines of a hunk, which may look like anything."""
    while old > 0 or new > 0:
        line = next(lines, None)
        if line is None:
            return
        old -= line[:1] not in {"+", "\\"}
        new -= line[:1] not in {"-", "\\"}


def _lines(path: Path) -> Iterator[str]:
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise PatchError(f"{path.name} cannot be read", where=str(path), why=error.strerror) from None
    yield from (line.removesuffix("\r") for line in text.split("\n"))
