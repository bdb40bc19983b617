"""The stamp of a run or plan, read with the standard library alone: with nothing to do it ends at once.

A stamp is valid while every file that the run depended on has the same time, size and inode, and variables
and builder image are the same. Any difference leads to the full plan, which decides by digests.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PREFIXES: Final = ("WHEELFARM_", "PIP_", "UV_", "CONTAINERS_", "DOCKER_")
_NAMES: Final = ("PATH", "HOME")


def file_state(path: Path) -> list[int] | None:
    """What changes whenever a file's content does; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size, found.st_ino]


def environment_digest(environ: Mapping[str, str]) -> str:
    """The digest of the variables that a run may read; a digest, since some hold secrets."""
    values = {name: value for name, value in environ.items() if name in _NAMES or name.startswith(_PREFIXES)}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def output_digest(text: str) -> str:
    """The digest of a command's output."""
    return hashlib.sha256(text.strip().encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """What a run depended on, and the lines to print while none of it changed."""

    files: Mapping[str, list[int] | None]
    environment: str
    commands: Mapping[str, str]
    """Words, separated by NUL → digest of the output."""
    lines: list[str]
    before: list[str] = field(default_factory=list)
    """Lines for people in front of the others."""
    after: list[str] = field(default_factory=list)
    """Lines for people behind them."""

    def to_json(self) -> str:
        return json.dumps(vars(self))

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The stamp in a file; None when there is none that can be read."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def is_valid(self, environ: Mapping[str, str], output: Callable[[list[str]], str]) -> bool:
        """Whether nothing changed; `output` runs a command."""
        return (
            self.environment == environment_digest(environ)
            and all(file_state(Path(path)) == then for path, then in self.files.items())
            and all(output_digest(output(words.split("\0"))) == then for words, then in self.commands.items())
        )
