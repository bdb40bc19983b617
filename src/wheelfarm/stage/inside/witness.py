"""Runs inside a build, after the backend: tells what the build environment really held.

Uses the standard library only, since it runs with the target's interpreter.

Usage: witness.py WHEEL OUTPUT
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def digest(path: Path) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def held() -> Iterator[dict[str, object]]:
    """Each installed distribution with the digests of its files, read from disk rather than from RECORD."""
    for distribution in distributions():
        files = {}
        for entry in distribution.files or ():
            path = Path(str(distribution.locate_file(entry)))
            if entry.hash is not None and entry.parts[0] != ".." and path.is_file():
                files[entry.as_posix()] = digest(path)
        yield {"name": distribution.metadata["Name"], "version": distribution.version, "files": files}


def main(wheel: Path, output: Path) -> None:
    """Write the testimony as JSON."""
    testimony = {
        "python": sys.version,
        "wheels": sorted(path.name for path in wheel.parent.glob("*.whl")),
        "built": {"filename": wheel.name, "sha256": digest(wheel)},
        "distributions": sorted(held(), key=lambda each: str(each["name"]).lower()),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(testimony), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
