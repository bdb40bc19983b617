"""Takes comments out of Python modules. Their code stays where it is, as tracebacks show it."""

from __future__ import annotations

import io
import re
import tokenize
import zipfile
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

from wheelfarm.deploy.tree import COMMENTS
from wheelfarm.model import sha256_of_bytes
from wheelfarm.wheels.archive import read_member

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.deploy.tree import Entry, Tree

# A license may ask that the sources keep its notice.
_NOTICE: Final = re.compile(r"copyright|licen[cs]e|SPDX|author", re.IGNORECASE)
_BEFORE_CODE: Final = {tokenize.ENCODING, tokenize.COMMENT, tokenize.NL}


def without_comments(source: bytes) -> bytes:
    """A module without its comments: every line and column of its code is where it was.

    Those before the first statement stay, and those that speak of a license. A source that is not Python,
    such as a template, stays as it is.
    """
    try:
        tokens = [*tokenize.tokenize(io.BytesIO(source).readline)]
    except (SyntaxError, tokenize.TokenError):
        return source
    code = next((n for n, token in enumerate(tokens) if token.type not in _BEFORE_CODE), 0)
    text = source.decode(tokens[0].string)
    lines = io.StringIO(text, newline="\n").readlines()
    for token in tokens[code:]:
        if token.type == tokenize.COMMENT and not _NOTICE.search(token.string):
            row, column = token.start
            line = lines[row - 1]
            end = line[column + len(token.string) :]
            lines[row - 1] = line[:column].rstrip(" \t") + end
    return "".join(lines).encode(tokens[0].string)


def strip_comments(tree: Tree) -> Tree:
    """The tree without the comments of its modules; what that saves counts as left out.

    Raises:
        WheelError: when a wheel cannot be read.
    """
    modules: dict[Path, list[Entry]] = defaultdict(list)
    for entry in tree.entries:
        if entry.path.endswith(".py") and not entry.link:
            modules[entry.wheel.path].append(entry)
    entries, dropped = {entry.path: entry for entry in tree.entries}, defaultdict(int, tree.dropped)
    # A process that has threads must not be forked.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for path, found in modules.items():
            with zipfile.ZipFile(path) as archive:
                sources = [read_member(archive, entry.member) for entry in found]
            for entry, content in zip(found, pool.map(without_comments, sources, chunksize=20), strict=True):
                digest = sha256_of_bytes(content)
                entries[entry.path] = replace(entry, size=len(content), sha256=digest, content=content)
                dropped[entry.wheel.name, COMMENTS] += entry.size - len(content)
    return replace(tree, entries=tuple(entries.values()), dropped=dict(dropped))
