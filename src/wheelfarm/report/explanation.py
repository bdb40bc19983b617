"""The commands of a build, so that they can be read and pasted into a shell."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DIGITS: Final = 12
"""Digits of a key that tell builds apart."""


def explanation_lines(build: Mapping[str, Any]) -> Iterator[str]:
    """A build: its record, the origins of its values, its files, and its commands.

    The environment is printed once, as an array of bash. What only one command sees is part of its line.
    """
    yield f"# {build['id']}, key {build['key'][:_DIGITS]}"
    yield from _record(build["record"])
    if build["origins"]:
        yield ""
        yield "# where each value comes from"
        width = max(map(len, build["origins"]))
        yield from (f"{path:{width}} <- {origin}" for path, origin in build["origins"].items())
    for name, split in build["splits"].items():
        yield from (f"{name} gets {key} {' '.join(values)}" for key, values in split.items())
    for name, text in build["files"].items():
        yield from ("", f"# {name}", text.rstrip())
    yield from _commands(build["steps"], build["directory"])


def _record(record: Mapping[str, Any] | None) -> Iterator[str]:
    if record is None:
        yield "not built yet"
        return
    yield f"built by {record['finished']}: {record['wheel']['filename']}"
    yield from (f"  on {each['filename']}, sha256 {each['sha256']}" for each in record["upstream"])
    yield from (f"  with {name}: {version}" for name, version in sorted(record["toolchain"].items()))


def _commands(steps: list[Mapping[str, Any]], root: str) -> Iterator[str]:
    if not steps:
        return
    first, *others = [step["env"] for step in steps]
    shared = {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}
    yield from ("", "# environment of all commands, for bash", f"BUILD={shlex.quote(root)}", "ENVIRONMENT=(")
    yield from (f"  {_assignment(name, value, root)}" for name, value in sorted(shared.items()))
    yield ")"
    for step in steps:
        own = [_assignment(name, value, root) for name, value in step["env"].items() if name not in shared]
        words = [*own, *(_word(word, root) for word in step["argv"])]
        yield from ("", f"# {step['phase']}")
        yield f'cd {_word(step["cwd"], root)} && env -i "${{ENVIRONMENT[@]}}" {" ".join(words)}'


def _assignment(name: str, value: str, root: str) -> str:
    """A variable for `env`, without the password that a proxy's URL may have."""
    scheme, mark, rest = value.partition("://")
    if name.lower().endswith("_proxy") and mark and "@" in rest:
        value = f"{scheme}://***@{rest.rpartition('@')[2]}"
    return f"{name}={_word(value, root)}"


def _word(text: str, root: str) -> str:
    """A word for a shell, with `$BUILD` for the build directory."""
    if root not in text:
        return shlex.quote(text)
    parts = (re.sub(r'([\\"$`])', r"\\\1", part) for part in text.split(root))
    return f'"{"${BUILD}".join(parts)}"'
