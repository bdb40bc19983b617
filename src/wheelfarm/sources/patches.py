"""Patch files: their header and hunks, and how a series is applied."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, PatchError, counted
from wheelfarm.model import AppliedPatch, sha256_of_bytes
from wheelfarm.sources.git_environment import git_environment
from wheelfarm.sources.line_ends import line_end_problem
from wheelfarm.system.process import Command, Finished, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.model import Name


_FIELD: Final = r"(?mi)^{}:[ \t]*(?:\n(?![A-Z][A-Za-z-]*:)[ \t]*)?\S"
"""A field with its text on the same line or the next."""
_HUNK: Final = re.compile(r"@@ -(\d{1,18})(?:,(\d{1,18}))? \+\d+(?:,(\d{1,18}))? @@")
_DIFF: Final = re.compile(r"diff --git |--- [^ ]")
_WITHOUT_HUNKS: Final = (
    *("old mode ", "new file mode ", "deleted file mode "),
    *("rename from ", "copy from ", "GIT binary patch"),
)


@dataclass(frozen=True)
class Hunk:
    """One change of a file: its line `@@ … @@`, and the first line of the file that it concerns."""

    line: str
    start: int
    number: int
    last: int
    """Its first and its last line in the patch."""
    old: tuple[str, ...]
    """The lines of the file that it concerns, with any carriage return."""


def check_header(path: Path) -> None:
    """Check that `Why:` and `Upstream:` stand above the first diff, each with a text after it.

    Raises:
        PatchError: when a field is missing or empty.
    """
    lines = (line.removesuffix("\r") for line in _lines(path))
    header = "\n".join(takewhile(lambda line: not _DIFF.match(line) and line != "---", lines))
    fields = ("Why", "Upstream")
    missing = [f"{name}:" for name in fields if not re.search(_FIELD.format(name), header)]
    if missing:
        raise PatchError(
            f"{path.name} does not say {' and '.join(missing)}",
            where=str(path),
            why="the next version bump has to know the reason and the upstream status of each patch",
            hint="write `Why: …` and `Upstream: <link> (<status>)` above the first diff",
        )


def read_hunks(path: Path) -> list[list[Hunk]]:
    """The hunks of each file that a patch changes, in its order; none for a new mode, a new name or a binary.

    Raises:
        PatchError: when the patch changes nothing.
    """
    files: list[list[Hunk]] = []
    changes = named = False
    lines = _lines(path)
    number = 0
    for line in lines:
        number += 1
        # A diff of git begins with its own line, any other with the first of its two names.
        if line.startswith("diff --git "):
            files.append([])
            named = False
        elif _DIFF.match(line):
            if named or not files:
                files.append([])
            named = True
        elif files and (match := _HUNK.match(line)):
            old, read = _read_hunk(lines, int(match[2] or 1), int(match[3] or 1))
            files[-1].append(Hunk(line.removesuffix("\r"), int(match[1]), number, number + read, old))
            number += read
        changes = changes or line.startswith(_WITHOUT_HUNKS)
    if not changes and not any(files):
        raise PatchError(
            f"{path.name} changes nothing",
            where=str(path),
            why="it has no hunks",
            hint="remove it, or make it anew with `git diff --binary`",
        )
    return files


def _read_hunk(lines: Iterator[str], old: int, new: int) -> tuple[tuple[str, ...], int]:
    """The old lines of a hunk, which are arbitrary text, and how many lines it has in the patch."""
    found: list[str] = []
    read = 0
    while old > 0 or new > 0:
        line = next(lines, None)
        if line is None:
            break
        read += 1
        if line[:1] not in {"+", "\\"}:
            found.append(line[1:])
            old -= 1
        new -= line[:1] not in {"-", "\\"}
    return tuple(found), read


def _lines(path: Path) -> Iterator[str]:
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise PatchError(f"{path.name} cannot be read", where=str(path), why=error.strerror) from None
    yield from text.split("\n")


_CHECKING: Final = re.compile(r"Checking patch (.+)\.\.\.")
_MOVED: Final = re.compile(r"Hunk #(\d+) succeeded at \d+ \(offset (-?\d+) lines?\)\.")
_FAILED: Final = re.compile(r"error: patch failed: .+:(\d+)")
_QUOTED: Final = re.compile(
    r"^error: while searching for:\n.*?(?=^error: patch failed: )", re.MULTILINE | re.DOTALL
)
"""The lines that were not found: arbitrary text."""

_REPEATED: Final = re.compile(r"error: .+: patch does not apply")
_OUTSIDE: Final = re.compile(r"error: (?:invalid path '|affected file '.+' is beyond a symbolic link)")
_OTHER: Final = re.compile(r"(?:error|fatal): (?:.+?: )?(.+)")

_REFRESH: Final = (
    "refresh it: inv patch.rebase {name} --base=VERSION --onto=VERSION, from the version that it is for"
)


_BEGINNING: Final = re.compile(rb"^(diff |--- )", re.MULTILINE)


def header_and_diff(path: Path) -> tuple[bytes, bytes]:
    """The two parts of a patch file."""
    return _split(path.read_bytes())


def _split(content: bytes) -> tuple[bytes, bytes]:
    start = _BEGINNING.search(content)
    return (content[: start.start()], content[start.start() :]) if start else (b"", content)


def recorded_parts(patch: AppliedPatch) -> tuple[bytes, bytes]:
    """The header and the diff of a patch that a record names; empty where an old record has no text."""
    return _split((patch.text or "").encode("utf-8", "surrogateescape"))


def read_patch(path: Path) -> AppliedPatch:
    """A patch as a record names it."""
    content = path.read_bytes()
    text = content.decode("utf-8", "surrogateescape")
    return AppliedPatch(file=path.name, sha256=sha256_of_bytes(content), text=text)


def begins_diff(header: str) -> bool:
    """Whether a line of a header reads as the first line of a diff, so that the header would end there."""
    return _BEGINNING.search(header.encode()) is not None


def applied_elsewhere(output: str) -> bool:
    """Whether git says in its output that it applied a hunk to other lines than those that it names."""
    return any(_MOVED.fullmatch(line) for line in output.splitlines())


def apply(
    tree: Path, series: Sequence[Path], *, recipe: Name, environ: Mapping[str, str]
) -> tuple[AppliedPatch, ...]:
    """Apply a series to a source tree, in its order and without fuzz or offset.

    A patch is applied as a whole or not at all; after a failure those before it stay applied. Names in it
    have one leading directory (`a/`, `b/`). Of `environ` git gets what is allowed.

    Raises:
        PatchError: when a patch has no header, changes nothing or does not apply exactly; all problems with
            the files themselves, then all hunks of the first patch that fails, at once.
        ProcessError: when git is missing.
    """
    collector = Collector()
    for patch in series:
        with collector.collect():
            check_header(patch)
            read_hunks(patch)
    collector.check()
    return tuple(_Application(tree, patch, recipe, environ).apply() for patch in series)


@dataclass(frozen=True)
class _Application:
    tree: Path
    patch: Path
    recipe: Name
    environ: Mapping[str, str]

    def apply(self) -> AppliedPatch:
        check = self._git("--check")
        collector = Collector()
        if check.returncode and self._git("--check", "--reverse").returncode == 0:
            raise self._error(
                f"{self.patch.name} is already in the source",
                why="it can be taken back exactly as it stands: upstream has it",
                hint="remove it from the recipe and from `patches`",
            )
        for error in self._problems(check.output):
            collector.add(error)
        collector.check()
        written = check if check.returncode else self._git()
        if written.returncode:
            raise self._error(f"{self.patch.name} could not be applied", why=written.output.strip())
        return read_patch(self.patch)

    def _problems(self, output: str) -> Iterator[PatchError]:
        """The errors in the output of git, file by file in the order of the patch."""
        files = read_hunks(self.patch)
        target, hunks = "", files[0]
        remaining = iter(files)
        for line in _QUOTED.sub("", output).splitlines():
            if match := _CHECKING.fullmatch(line):
                target, hunks = match[1], next(remaining, [])
                if _leads_out(target):
                    yield self._outside(target)
            elif match := _MOVED.fullmatch(line):
                offset = counted(int(match[2]), "line")
                yield self._error(
                    f"{self.patch.name} applies with an offset of {offset}, not exactly",
                    target,
                    _named(int(match[1]), hunks),
                    why="the source has changed above it",
                    hint=_REFRESH.format(name=self.recipe),
                )
            elif match := _FAILED.fullmatch(line):
                number = next((n for n, hunk in enumerate(hunks, 1) if hunk.start == int(match[1])), 0)
                ends = number and line_end_problem(self.tree / target, self.patch, hunks[number - 1], hunks)
                why, hint = ends or (
                    "the source does not have the lines that it changes",
                    _REFRESH.format(name=self.recipe),
                )
                what, place = f"{self.patch.name} does not apply", _named(number, hunks)
                yield self._error(what, target, place, why=why, hint=hint)
            elif _OUTSIDE.match(line):
                yield self._outside(target)
            elif not _REPEATED.fullmatch(line) and (match := _OTHER.fullmatch(line)):
                yield self._error(
                    f"{self.patch.name} does not apply",
                    target,
                    why=match[1],
                    hint=_REFRESH.format(name=self.recipe),
                )

    def _outside(self, target: str) -> PatchError:
        return self._error(
            f"{self.patch.name} changes what is outside of the source tree",
            target,
            hint="names begin with one directory, such as a/ and b/, and lead neither up nor through links",
        )

    def _error(self, what: str, *places: str, why: str | None = None, hint: str | None = None) -> PatchError:
        where = ": ".join(filter(None, (self.recipe, self.patch.name, *places)))
        return PatchError(what, where=where, why=why, hint=hint)

    def _git(self, *options: str) -> Finished:
        # Inside a repository git silently skips files that are not below the current directory: there must be
        # no repository around the tree or in it.
        env = git_environment(self.environ) | {"GIT_DIR": os.devnull}
        argv = ("git", "apply", "--verbose", "--whitespace=nowarn", *options, "--")
        return run(Command(argv=(*argv, str(self.patch.absolute())), env=env, cwd=self.tree), check=False)


def _named(number: int, hunks: Sequence[Hunk]) -> str:
    return f"hunk {number} of {len(hunks)}" + "".join(f": {hunk.line}" for hunk in hunks[number - 1 : number])


def _leads_out(target: str) -> bool:
    names = (PurePosixPath(name) for name in target.split(" => "))
    return any(name.is_absolute() or ".." in name.parts for name in names)
