#!/usr/bin/env python3
"""Stands for ninja in a build whose directory is kept: what was configured again as it was has not changed.

Meson configures anew at each build, and some of what it writes (numpy's dispatch headers) gets a new time
with the old content, for which ninja would compile all that includes it. So such files get the time that they
had at the end of the last build that went well. Uses the standard library only; the arguments are ninja's.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys

OWN = ".wheelfarm"
"""The farm's own directory in the build directory."""
TIMES = os.path.join(OWN, "times.json")  # noqa: PTH118 - this runs with any Python, before each build
LARGEST = 1 << 18
"""Bytes; a configure writes small files."""
# Ninja's own, Meson's own, and what ninja makes of targets: nothing that a configure writes for a compiler.
PASSED_OVER = ("meson-private", "meson-info", "meson-logs", OWN)
NAMES = ("ninja", "ninja-build", "samu")
QUESTIONS = ("--version", "--help", "-h", "-t", "-n")


def digest(path: str) -> str:
    """The sha256 of a file."""
    with open(path, "rb") as file:  # noqa: PTH123
        return hashlib.sha256(file.read()).hexdigest()


def written() -> dict[str, tuple[str, int]]:
    """Content and time of each file that a configure may write, by its path below the build directory."""
    found = {}
    for parent, directories, names in os.walk("."):
        directories[:] = [name for name in directories if name not in PASSED_OVER and not name.endswith(".p")]
        for name in names:
            path = os.path.join(parent, name)  # noqa: PTH118
            known = os.lstat(path)
            if known.st_size <= LARGEST and not name.startswith((".ninja", "build.ninja")):
                found[path] = (digest(path), known.st_mtime_ns)
    return found


def restore() -> None:
    """Give files that are as they were the time that they had."""
    try:
        with open(TIMES, encoding="utf-8") as file:  # noqa: PTH123
            before = json.load(file)
    except (OSError, ValueError):
        return
    for path, (content, stamp) in before.items():
        if os.path.isfile(path) and os.stat(path).st_mtime_ns != stamp and digest(path) == content:  # noqa: PTH113, PTH116
            os.utime(path, ns=(stamp, stamp))


def remember() -> None:
    """Write down what there is now, whole or not at all."""
    os.makedirs(OWN, exist_ok=True)  # noqa: PTH103
    with open(f"{TIMES}.draft", "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(written(), file)
    os.replace(f"{TIMES}.draft", TIMES)  # noqa: PTH105


def main(arguments: list[str]) -> int:
    """Run ninja in the build directory, which is the current one."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        sys.stderr.write("ninja: there is none on PATH\n")
        return 127
    words = [program, *arguments]
    if any(word in QUESTIONS for word in arguments) or not os.path.exists("build.ninja"):  # noqa: PTH110
        return subprocess.call(words)
    restore()
    code = subprocess.call(words)
    if code == 0:
        remember()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
