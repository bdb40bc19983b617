"""A requirements file with the hashes of the farm's wheels, and of all that they need from elsewhere."""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wheelfarm.errors import LockError, ProcessError
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wheelfarm.index.candidates import Candidate
    from wheelfarm.model import Name


class Tool(StrEnum):
    """What installs."""

    PIP = "pip"
    UV = "uv"
    POETRY = "poetry"
    DOCKER = "docker"


def consumer_lines(tool: Tool, *, index: str, url: str, names: Mapping[Name, str]) -> Iterator[str]:
    """The settings of a tool, as one would write them.

    Args:
        tool: for which.
        index: what the index is called.
        url: the simple index.
        names: the farm's distributions with their versions.
    """
    match tool:
        case Tool.PIP:
            return _pip(url)
        case Tool.UV:
            return _uv(index, url, sorted(names))
        case Tool.POETRY:
            return _poetry(index, url, names)
        case Tool.DOCKER:
            return _docker(url)


def _pip(url: str) -> Iterator[str]:
    yield "# pip.conf. pip takes the highest version that any of its indexes has, so there is one index only:"
    yield "# this one alone, or a merged one (devpi with a mirror among its bases, a virtual repository)."
    yield "# Never add extra-index-url. What this index does not have comes from a file with hashes, in which"
    yield "# no other file can take the place of one of the farm's:"
    yield "#   inv index.export PACKAGES && pip install --require-hashes --requirement requirements.txt"
    yield "[global]"
    yield f"index-url = {url}"
    yield "extra-index-url ="
    host = urlsplit(url)
    if host.scheme == "http" and host.hostname not in {"127.0.0.1", "localhost"}:
        yield f"trusted-host = {host.hostname}"


def _uv(index: str, url: str, names: Sequence[Name]) -> Iterator[str]:
    yield "# pyproject.toml. uv stops at the first index that knows a name, and this one comes first: that"
    yield "# holds for whatever needs a package of the farm too. The sources make a name that you require"
    yield "# yourself an error when this index lacks it. `explicit = true` would not do: uv then takes what"
    yield "# another package needs from the public index."
    yield "[tool.uv]"
    yield 'index-strategy = "first-index"'
    yield ""
    yield "[[tool.uv.index]]"
    yield f'name = "{index}"'
    yield f'url = "{url}"'
    yield ""
    yield "[tool.uv.sources]"
    yield from (f'{name} = {{ index = "{index}" }}' for name in names)


def _poetry(index: str, url: str, names: Mapping[Name, str]) -> Iterator[str]:
    yield "# pyproject.toml. An explicit source serves what names it and nothing else, so keep"
    yield "# all of these, also those that you need only since another package does."
    yield "[[tool.poetry.source]]"
    yield f'name = "{index}"'
    yield f'url = "{url}"'
    yield 'priority = "explicit"'
    yield ""
    yield "[tool.poetry.dependencies]"
    for name, version in sorted(names.items()):
        yield f'{name} = {{ version = "{version}", source = "{index}" }}'


def _docker(url: str) -> Iterator[str]:
    yield "# syntax=docker/dockerfile:1"
    yield "# `inv index.export PACKAGES` writes requirements.txt, with the hash of each file. The password"
    yield "# comes from a secret, which no layer keeps: docker build --secret id=netrc,src=$HOME/.netrc ."
    yield "COPY requirements.txt ."
    yield "RUN --mount=type=secret,id=netrc \\"
    yield f"    NETRC=/run/secrets/netrc PIP_INDEX_URL={url} \\"
    yield "    pip install --no-cache-dir --require-hashes --requirement requirements.txt"


_RESOLVING: Final = 300.0
"""Seconds for uv to resolve."""


def pins(candidates: Iterable[Candidate]) -> str:
    """A line for each distribution: its version, and the hash of each of its wheels."""
    releases: dict[tuple[Name, str], list[str]] = {}
    for candidate in candidates:
        releases.setdefault((candidate.project, candidate.version), []).append(candidate.sha256)
    lines = []
    for (project, version), hashes in sorted(releases.items()):
        lines += [f"{project}=={version} \\"]
        lines += [f"    --hash=sha256:{sha256} \\" for sha256 in sorted(hashes)]
        lines[-1] = lines[-1].removesuffix(" \\")
    return "".join(f"{line}\n" for line in lines)


def from_elsewhere(candidates: Sequence[Candidate]) -> frozenset[Name]:
    """What the candidates need that is none of them."""
    return frozenset(name for candidate in candidates for name in candidate.requires) - {
        candidate.project for candidate in candidates
    }


def resolve(
    candidates: Sequence[Candidate], *, simple: str, python: str, env: Mapping[str, str], public: str | None
) -> str:
    """Pin what the candidates need from elsewhere, with hashes, for all platforms.

    Args:
        candidates: the farm's wheels.
        simple: an index that has them; it comes first, so that no other index supplies their names.
        python: the lowest feature version.
        env: the environment in which uv is found and run.
        public: the index for the rest; uv's own default where nobody names one.

    Returns:
        Lines of a requirements file, without the farm's own distributions.

    Raises:
        LockError: when it does not resolve.
    """
    if not from_elsewhere(candidates):
        return ""
    projects = sorted({candidate.project for candidate in candidates})
    wanted = sorted({f"{candidate.project}=={candidate.version}" for candidate in candidates})
    with tempfile.TemporaryDirectory(prefix="wheelfarm-lock-") as scratch:
        output = Path(scratch) / "requirements.txt"
        command = Command(
            argv=(
                *("uv", "pip", "compile", "--no-config", "--universal", "--generate-hashes", "--no-header"),
                *("--no-annotate", "--quiet", "--python-version", python, "--only-binary", ":all:"),
                *("--no-emit-index-url", "--index-strategy", "first-index"),
                *(word for project in projects for word in ("--no-emit-package", project)),
                *("--output-file", str(output), "-"),
            ),
            # The urls may hold credentials, so they are no arguments.
            env={**env, "UV_INDEX": simple, **({"UV_DEFAULT_INDEX": public} if public else {})},
            stdin="\n".join(wanted) + "\n",
            time_limit=_RESOLVING,
        )
        try:
            run(command)
        except ProcessError as problem:
            raise LockError(
                "what the wheels need from elsewhere does not resolve",
                where=", ".join(wanted),
                why=problem.why,
            ) from problem
        return output.read_text(encoding="utf-8")
