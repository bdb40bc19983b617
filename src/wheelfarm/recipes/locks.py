"""Lock files: pinned requirements with hashes, in pip's format, as `inv recipe.lock` writes them."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement

from wheelfarm.errors import Collector, FarmError, LockError
from wheelfarm.model import LockedRequirement, Platform, parse_digest, parse_name
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.recipes.versions import recipe_of
from wheelfarm.system.files import read_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wheelfarm.model import Target

_HASH = re.compile(r"--hash=sha256:(\S+)")
_COMMENT = re.compile(r"(^|\s+)#.*$")


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines with continuations joined and comments dropped, with the number of the first."""
    lines: list[tuple[int, str]] = []
    pending = ""
    start = 0
    for number, raw in enumerate((*text.splitlines(), ""), 1):
        line = (_COMMENT.sub("", raw) if "#" in raw else raw).strip()
        start = start if pending else number
        pending += line.removesuffix("\\").strip() + " "
        if line.endswith("\\"):
            continue
        if pending.strip():
            lines.append((start, pending.strip()))
        pending = ""
    return lines


def parse_lock(path: Path) -> tuple[LockedRequirement, ...]:
    """The locked requirements of a file.

    Raises:
        LockError: for a missing file and for each line that is not `name==version --hash=sha256:…`.
    """
    own = path.name in {"build.lock", "test.lock", "suite.lock"}
    hint = f"inv recipe.lock {recipe_of(path.parent)} writes it" if own else None
    try:
        text = read_text(path, LockError, hint or "lock it anew")
    except OSError as problem:
        raise LockError(
            f"cannot read {path.name}",
            where=str(path),
            why=problem.strerror,
            hint=hint,
        ) from problem
    return parse_lines(text, str(path))


def parse_lines(text: str, where: str) -> tuple[LockedRequirement, ...]:
    """The locked requirements of a text; see `parse_lock`."""
    problems = Collector()
    locked: list[LockedRequirement] = []
    for number, line in _logical_lines(text):
        with problems.collect():
            locked.append(_parse_line(line, f"{where}:{number}"))
    problems.check()
    return tuple(locked)


def _parse_line(line: str, where: str) -> LockedRequirement:
    text = line.partition(" --hash")[0]
    try:
        requirement = parse_requirement(text)
    except InvalidRequirement as problem:
        raise LockError(f"not a requirement: {text}", where=where, why=str(problem)) from problem
    pins = [
        specifier.version
        for specifier in requirement.specifier
        if specifier.operator == "==" and not specifier.version.endswith("*")
    ]
    hashes = _HASH.findall(line)
    if len(pins) != 1 or not hashes:
        raise LockError(
            f"{requirement.name} is not locked",
            where=where,
            why="a lock pins one version with == and gives its sha256 hashes",
            hint="inv recipe.lock writes it anew",
        )
    try:
        digests = frozenset(parse_digest(digest) for digest in hashes)
    except FarmError as problem:
        raise LockError(problem.what, where=where, why=problem.why) from problem
    return LockedRequirement(
        name=parse_name(requirement.name),
        version=pins[0],
        hashes=digests,
        marker=str(requirement.marker) if requirement.marker else None,
    )


# Python calls a processor what its system calls it; a 32-bit Python on Windows sees the 64-bit processor.
_WINDOWS_MACHINES = {"amd64": "AMD64", "32": "AMD64", "arm64": "ARM64"}
_MARKERS: dict[Platform, dict[str, str]] = {
    Platform.LINUX: {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    Platform.MACOS: {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    Platform.WINDOWS: {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
}


def marker_environment(target: Target) -> dict[str, str]:
    """The values of environment markers (PEP 508) for a target."""
    return _MARKERS[target.platform] | {
        "python_version": f"{target.python.major}.{target.python.minor}",
        "python_full_version": f"{target.python.major}.{target.python.minor}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_machine": _WINDOWS_MACHINES[target.arch] if target.system == "win" else target.arch,
    }


@lru_cache(maxsize=4096)
def _parse_marker(text: str) -> Marker:
    """The marker; the locks of many recipes have the same ones."""
    return Marker(text)


def applicable(locked: Sequence[LockedRequirement], target: Target) -> tuple[LockedRequirement, ...]:
    """Those whose environment marker holds for the target.

    Raises:
        LockError: for each name that more than one of them is for.
    """
    environment = marker_environment(target)
    found = tuple(r for r in locked if r.marker is None or _parse_marker(r.marker).evaluate(environment))
    problems = Collector()
    for name, count in Counter(each.name for each in found).items():
        # Which of them is installed would be up to the installer.
        if count > 1:
            lines = [
                f"{each.name}=={each.version}{f' ; {each.marker}' if each.marker else ''}"
                for each in found
                if each.name == name
            ]
            problems.add(
                LockError(
                    f"{name} is locked more than once for {target}",
                    where=" and ".join(lines),
                    why="their markers all hold for it",
                    hint="inv recipe.lock writes it anew",
                )
            )
    problems.check()
    return found
