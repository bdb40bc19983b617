"""Resolves requirements by uv: pins with hashes for all platforms."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import tomlkit

from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wheelfarm.recipes.release_age import AgeLimit

_UV: Final = (
    *("uv", "pip", "compile", "--universal", "--generate-hashes", "--quiet"),
    *("--no-header", "--no-emit-index-url", "--no-emit-find-links"),
    *("--only-binary", ":all:", "--index-strategy", "first-index"),
)


def compile_requirements(
    requires: Iterable[str],
    left_out: Iterable[str],
    *,
    python: str,
    env: Mapping[str, str],
    index_url: str | None,
    constraints: str = "",
    annotate: bool = False,
    age: AgeLimit | None = None,
    exempt: Iterable[str] = (),
    pylock: bool = False,
    edited: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Pin requirements, and all that they need, with hashes for all platforms, as lines for pip.

    Args:
        requires: the requirements.
        left_out: distributions that count for the versions of the others, and are not pinned.
        python: the lowest feature version.
        env: the environment in which uv is found and run.
        index_url: the default index; None is uv's own.
        constraints: lines of a lock that the pins must agree with.
        annotate: whether a comment after each pin names what requires it.
        age: how old each file must be; uv takes none that has no date then.
        exempt: distributions of any age, with or without dates.
        pylock: whether the text is that of pylock.toml (PEP 751), in place of lines for pip.
        edited: distribution → what it requires to run, where that is not what the index says of it.

    Raises:
        ProcessError: when they do not resolve.
    """
    limits = ("--exclude-newer", age.cutoff) if age else ()
    exempt = sorted({f"{name}=false" for name in exempt}) if age else ()
    with tempfile.TemporaryDirectory(prefix="wheelfarm-lock-") as scratch:
        output, bounds, config = (
            Path(scratch) / name
            for name in ("pylock.toml" if pylock else "lock.txt", "constraints.txt", "uv.toml")
        )
        bounds.write_text(constraints, encoding="utf-8")
        # With a file of its own, uv reads no other configuration.
        metadata = [{"name": name, "requires-dist": [*each]} for name, each in (edited or {}).items()]
        config.write_text(tomlkit.dumps({"dependency-metadata": metadata}), encoding="utf-8")
        command = Command(
            argv=(
                *(*_UV, "--python-version", python, *(() if annotate else ("--no-annotate",))),
                *(word for name in sorted(set(left_out)) for word in ("--no-emit-package", name)),
                *(*limits, *(word for name in exempt for word in ("--exclude-newer-package", name))),
                *(("--format", "pylock.toml") if pylock else ()),
                *("--config-file", str(config), "--constraints", str(bounds)),
                *("--output-file", str(output), "-"),
            ),
            env={**env, "UV_NO_PROGRESS": "1", **index_variable(index_url)},
            stdin="\n".join(requires) + "\n",
            time_limit=300,
        )
        run(command)
        return output.read_text(encoding="utf-8")


def index_variable(url: str | None) -> dict[str, str]:
    """The variable of uv's default index; the url may hold credentials, so it is no argument."""
    return {"UV_DEFAULT_INDEX": url} if url else {}
