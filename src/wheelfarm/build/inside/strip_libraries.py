"""Runs where the build runs, between the backend and the repair tool: strips the BLAS provider's libraries.

They come with symbol tables that nothing needs at run time, 1 MB in each wheel. After the repair it is too
late: a library that patchelf has edited does not survive strip.

Usage: strip_libraries.py DIRECTORY OUTPUT, which gets the sha256 before by the one after, as JSON
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

STRIP = shutil.which("strip") or "strip"


def main(directory: Path, output: Path) -> None:
    stripped = {}
    for path in sorted(directory.iterdir()):
        if path.is_symlink() or not path.is_file() or not path.read_bytes().startswith(b"\x7fELF"):
            continue
        before = hashlib.sha256(path.read_bytes()).hexdigest()
        subprocess.run([STRIP, "--strip-unneeded", str(path)], check=True)
        stripped[hashlib.sha256(path.read_bytes()).hexdigest()] = before
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({"stripped": stripped}), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
