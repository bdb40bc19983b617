"""Runs between the backend and the repair tool, which ends with a traceback where RECORD is no table.

Uses the standard library only, since it runs with the target's interpreter.

Usage: check_record.py WHEEL
"""

from __future__ import annotations

import csv
import io
import re
import sys
import zipfile
from collections import Counter
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = 3
UNLISTED = ("", ".jws", ".p7s")
"""What the names of the members that need no row add to that of RECORD: itself, and its signatures."""


def problems(data: bytes, record: str, names: set[str]) -> Iterator[str]:
    """What is wrong with a RECORD, each with its row and the file."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        yield f"line {line} is not UTF-8: {data.splitlines()[line - 1]!r}"
        return
    lines, start = list(io.StringIO(text, newline="")), 1
    rows, listed = csv.reader(lines, strict=True), Counter[str]()
    try:
        for row in rows:
            written, line = "".join(lines[start - 1 : rows.line_num]), start
            start = rows.line_num + 1
            if len(row) in {0, COLUMNS}:
                listed.update(row[:1])
                continue
            # The longest, since one name may begin with another.
            files = sorted((name for name in names if written.startswith(f"{name},")), key=len)
            listed.update(files[-1:])
            columns = "1 column" if len(row) == 1 else f"{len(row)} columns"
            quotes = f"; {files[-1]} needs quotes" if files else ""
            yield f"line {line}, {written.strip()!r}, has {columns}, not path, hash and size{quotes}"
    except csv.Error as error:
        yield f"line {rows.line_num}, {lines[start - 1].strip()!r}, is no row of a table: {error}"
        return
    unlisted = {f"{record}{suffix}" for suffix in UNLISTED}
    for name, times in sorted(listed.items()):
        if name not in names | unlisted:
            yield f"it lists {name!r}, which the wheel does not hold"
        elif times > 1:
            yield f"it lists {name!r} {times} times"
    for name in sorted(names - listed.keys() - unlisted):
        yield f"it does not list {name!r}"


def main(wheel: Path) -> str | None:
    """The message for a wrong RECORD; None for a right one."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        records = [name for name in names if re.fullmatch(r"[^/]+\.dist-info/RECORD", name)]
        if len(records) != 1:
            found = [f"the wheel has {len(records) or 'no'} RECORD"]
        else:
            found = list(problems(archive.read(records[0]), records[0], names))
        infos = [name for name in names if re.fullmatch(r"[^/]+\.dist-info/WHEEL", name)]
        fields = BytesHeaderParser().parsebytes(archive.read(infos[0]) if infos else b"")
    generator = fields.get("Generator", "an unknown backend")
    lines = [f"error: RECORD of {wheel.name}, which {generator} wrote, is wrong", *found]
    return "\n  ".join(lines) if found else None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
