"""Applying a series with `git apply`, and telling what git said in the words of the farm."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, PatchError
from wheelfarm.model import AppliedPatch, Digest
from wheelfarm.patches.file import Hunk, PatchFile, read_header, read_hunks
from wheelfarm.process import Command, Finished, run
from wheelfarm.sources import git_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.model import Name

_CHECKING: Final = re.compile(r"Checking patch (.+)\.\.\.")
_MOVED: Final = re.compile(r"Hunk #(\d+) succeeded at \d+ \(offset (-?\d+) lines?\)\.")
_FAILED: Final = re.compile(r"error: patch failed: .+:(\d+)")
_QUOTED: Final = re.compile(
    r"^error: while searching for:\n.*?(?=^error: patch failed: )", re.MULTILINE | re.DOTALL
)
"""The lines that were not found, which may look like anything."""

_REPEATED: Final = re.compile(r"error: .+: patch does not apply")
_OUTSIDE: Final = re.compile(r"error: (?:invalid path '|affected file '.+' is beyond a symbolic link)")
_OTHER: Final = re.compile(r"(?:error|fatal): (?:.+?: )?(.+)")

_REFRESH: Final = "refresh it: apply it by hand to the new source, and write the file anew with git diff"


def apply(
    tree: Path, series: Sequence[PatchFile], *, recipe: Name, environ: Mapping[str, str]
) -> tuple[AppliedPatch, ...]:
    """Apply a series to a source tree, in its order and without fuzz or offset.

    A patch is applied as a whole or not at all; after a failure those before it stay applied.

    Args:
        tree: the top of the source tree; names in the patches have one leading directory (`a/`, `b/`).
        series: the patches.
        recipe: whose patches they are, for the errors.
        environ: the host's environment, of which git gets what is allowed.

    Raises:
        PatchError: when a patch has no header, changes nothing or does not apply exactly; all problems with
            the files themselves, then all hunks of the first patch that fails, at once.
        ProcessError: when git is missing.
    """
    collector = Collector()
    for patch in series:
        with collector.collect():
            read_header(patch.path)
            read_hunks(patch.path)
    collector.check()
    return tuple(_Application(tree, patch.path, recipe, environ).apply() for patch in series)


@dataclass(frozen=True)
class _Application:
    """One patch on its way into one tree."""

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
        content = self.patch.read_bytes()
        return AppliedPatch(
            file=self.patch.name,
            sha256=Digest(hashlib.sha256(content).hexdigest()),
            text=content.decode("utf-8", "surrogateescape"),
        )

    def _problems(self, output: str) -> Iterator[PatchError]:
        """What git said, file by file in the order of the patch."""
        files = read_hunks(self.patch)
        target, hunks = "", files[0]
        remaining = iter(files)
        for line in _QUOTED.sub("", output).splitlines():
            if match := _CHECKING.fullmatch(line):
                target, hunks = match[1], next(remaining, [])
                if _leads_out(target):
                    yield self._outside(target)
            elif match := _MOVED.fullmatch(line):
                yield self._error(
                    f"{self.patch.name} applies with an offset of {match[2]} lines, not exactly",
                    target,
                    _named(int(match[1]), hunks),
                    why="the source has changed above it",
                    hint=_REFRESH,
                )
            elif match := _FAILED.fullmatch(line):
                number = next((n for n, hunk in enumerate(hunks, 1) if hunk.start == int(match[1])), 0)
                yield self._error(
                    f"{self.patch.name} does not apply",
                    target,
                    _named(number, hunks),
                    why="the source does not hold the lines that it changes",
                    hint=_REFRESH,
                )
            elif _OUTSIDE.match(line):
                yield self._outside(target)
            elif not _REPEATED.fullmatch(line) and (match := _OTHER.fullmatch(line)):
                yield self._error(f"{self.patch.name} does not apply", target, why=match[1], hint=_REFRESH)

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
        # Inside a repository git skips, without a word, whatever is not below the current directory in it:
        # so there must be none, neither around the tree nor in it.
        env = git_environment(self.environ) | {"GIT_DIR": os.devnull}
        argv = (
            "git",
            "apply",
            "--verbose",
            "--whitespace=nowarn",
            *options,
            "--",
            str(self.patch.absolute()),
        )
        return run(Command(argv=argv, env=env, cwd=self.tree), check=False)


def _named(number: int, hunks: Sequence[Hunk]) -> str:
    return f"hunk {number} of {len(hunks)}" + "".join(f": {hunk.line}" for hunk in hunks[number - 1 : number])


def _leads_out(target: str) -> bool:
    names = (PurePosixPath(name) for name in target.split(" => "))
    return any(name.is_absolute() or ".." in name.parts for name in names)
