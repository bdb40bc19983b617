"""Compares the line ends of a patch with those of the source that it changes."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wheelfarm.sources.patches import Hunk

_TO_CRLF: Final = r"s/\r?$/\r/"
_TO_LF: Final = r"s/\r$//"
_MIXED: Final = "CRLF and LF"
_MAKE_ANEW: Final = (
    "apply it by hand to the source, and write the file anew with git diff, which keeps the line ends"
)


def line_end_problem(source: Path, patch: Path, hunk: Hunk, hunks: Sequence[Hunk]) -> tuple[str, str] | None:
    """Why a hunk does not apply and the command that mends the patch, where only the line ends differ."""
    try:
        lines = source.read_bytes().decode("utf-8", "replace").split("\n")
    except OSError:
        return None
    text, wanted = f"\n{_without_cr(lines)}\n", f"\n{_without_cr(hunk.old)}\n"
    start = text.find(wanted) if hunk.old else -1
    first = text.count("\n", 0, start)
    found, own = _ends(lines[first : first + len(hunk.old)]), _ends(hunk.old)
    if start < 0 or found == own:
        return None
    why = f"the source has {found} here, the patch {own}"
    if found == _MIXED:
        return why, _MAKE_ANEW
    convert = _TO_CRLF if found == "CRLF" else _TO_LF
    # git names only the first hunk of a file that does not apply.
    same = hunks if _ends(lines[:-1]) == found else [hunk]
    program = rf"{convert} if {same[0].number + 1}..{same[-1].last} and !/^(\\|@@ )/"
    return why, f"perl -pi -e {shlex.quote(program)} {shlex.quote(str(patch))}"


def _without_cr(lines: Sequence[str]) -> str:
    return "\n".join(line.removesuffix("\r") for line in lines)


def _ends(lines: Sequence[str]) -> str:
    kinds = {"CRLF" if line.endswith("\r") else "LF" for line in lines}
    return " and ".join(sorted(kinds))
