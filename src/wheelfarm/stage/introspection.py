"""The options that a source tree's Meson says it has: asked once for the same build files.

`meson introspect` takes a second for numpy, a fifteenth of a rebuild that has nothing to compile. It is known
what its answer comes from: files of certain names, the compilers for their own options, and its environment.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.plan import digest, file_digest
from wheelfarm.process import Command, run, which

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.sources import Cache

_TIME_LIMIT: Final = 120.0
_READ: Final = frozenset({"meson.build", "meson.options", "meson_options.txt"})
_PROGRAMS: Final = ("meson", "cc", "gcc", "clang", "c++", "g++", "clang++", "gfortran", "flang", "cython")
"""Whose answers it gives; what the environment names beside them is told by that."""


def introspect(tree: Path, env: Mapping[str, str], cache: Cache) -> str | None:
    """The options of a source tree as `meson introspect --buildoptions` prints them.

    Args:
        tree: the patched source tree.
        env: for the program.
        cache: where the answer is kept.

    Returns:
        JSON; None where there is no Meson on this machine.

    Raises:
        ProcessError: when it fails, which is not kept.
        OSError: when the tree cannot be read.
    """
    if which("meson", env) is None:
        return None
    asked = {
        "environment": dict(env),
        "programs": [_identity(program, env) for program in _PROGRAMS],
        "files": dict(sorted(_files(tree))),
    }
    question = {"kind": "meson introspect --buildoptions", "of": digest(asked)}
    known = cache.recall(question)
    if known is not None:
        return known[0].read_text(encoding="utf-8")
    argv = ("meson", "introspect", "--buildoptions", str(tree / "meson.build"))
    answer = run(Command(argv=argv, env=env, cwd=tree, time_limit=_TIME_LIMIT)).output
    # A cache that cannot be written to may still be read.
    with suppress(OSError):
        _, stored = cache.store([answer.encode()], "options.json", accepted=None, origin="meson introspect")
        cache.remember(question, stored)
    return answer


def _identity(program: str, env: Mapping[str, str]) -> list[str | int] | None:
    """What tells a program from another version of it."""
    path = which(program, env)
    if path is None:
        return None
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def _files(tree: Path) -> Iterator[tuple[str, str]]:
    """Each file that tells of options, by its path, and the digest of what it says."""
    for parent, _, names in os.walk(tree):
        for path in (Path(parent, name) for name in _READ.intersection(names)):
            if path.is_file():
                yield path.relative_to(tree).as_posix(), file_digest(path)
