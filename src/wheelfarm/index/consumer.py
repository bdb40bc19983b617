"""What a consumer of an index writes: settings of its installer, and pins of what the farm does not have."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wheelfarm.errors import LockError, ProcessError, RecordError, WheelhouseError
from wheelfarm.provenance.record import Record
from wheelfarm.recipes.uv_resolution import compile_requirements
from wheelfarm.wheels.instruction_sets import highest_level

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wheelfarm.index.candidates import Candidate
    from wheelfarm.model import Name
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


_USUAL: Final = frozenset({"x86-64", "x86-64-v2", "armv8-a"})
"""Levels that each machine of these days has."""


class Tool(StrEnum):
    """What installs."""

    PIP = "pip"
    UV = "uv"
    POETRY = "poetry"
    DOCKER = "docker"


_SETTINGS: Final = {
    Tool.PIP: """\
# pip.conf. pip takes the highest version that any of its indexes has, so there is one index only:
# this one alone, or a merged one (devpi with a mirror among its bases, a virtual repository).
# Never add extra-index-url. What this index does not have comes from a file with hashes, in which
# no other file can take the place of one of the farm's:
#   inv index.export PACKAGES && pip install --require-hashes --requirement requirements.txt
[global]
index-url = {url}
extra-index-url =
{trusted}""",
    Tool.UV: """\
# pyproject.toml. uv stops at the first index that knows a name, and this one comes first: that
# holds for whatever needs a package of the farm too. The sources make a name that you require
# yourself an error when this index lacks it. `explicit = true` would not do: uv then takes what
# another package needs from the public index.
[tool.uv]
index-strategy = "first-index"

[[tool.uv.index]]
name = "{index}"
url = "{url}"

[tool.uv.sources]
{uv_sources}""",
    Tool.POETRY: """\
# pyproject.toml. An explicit source serves what names it and nothing else, so keep
# all of these, also those that you need only since another package does.
[[tool.poetry.source]]
name = "{index}"
url = "{url}"
priority = "explicit"

[tool.poetry.dependencies]
{poetry_dependencies}""",
    Tool.DOCKER: """\
# syntax=docker/dockerfile:1
# `inv index.export PACKAGES` writes requirements.txt, with the hash of each file. The password
# comes from a secret, which no layer keeps: docker build --secret id=netrc,src=$HOME/.netrc .
COPY requirements.txt .
RUN --mount=type=secret,id=netrc \\
    NETRC=/run/secrets/netrc PIP_INDEX_URL={url} \\
    pip install --no-cache-dir --require-hashes --requirement requirements.txt""",
}


def consumer_lines(tool: Tool, *, index: str, url: str, names: Mapping[Name, str]) -> list[str]:
    """The settings of a tool, as one would write them.

    Args:
        tool: the tool.
        index: the index's name in these settings.
        url: the simple index.
        names: the farm's distributions with their versions.
    """
    host = urlsplit(url)
    is_plain = host.scheme == "http" and host.hostname not in {"127.0.0.1", "localhost"}
    sources = [f'{name} = {{ index = "{index}" }}' for name in sorted(names)]
    pinned = [
        f'{name} = {{ version = "{version}", source = "{index}" }}' for name, version in sorted(names.items())
    ]
    text = _SETTINGS[tool].format(
        url=url,
        index=index,
        trusted=f"trusted-host = {host.hostname}" if is_plain else "",
        uv_sources="\n".join(sources),
        poetry_dependencies="\n".join(pinned),
    )
    return text.rstrip("\n").splitlines()


def cpu_lines(level: str | None, variant: str, others: Mapping[str, str | None]) -> list[str]:
    """Comments about the CPU that the wheels of an index need, which no tag of a wheel says.

    Args:
        level: the level that the wheels need; None for what each processor of the platform has.
        variant: their variant.
        others: variants that are the same for other processors → the level of each.
    """
    found = []
    if level:
        found += [
            f"# The wheels of {variant} need a CPU of the level {level}. No tag of a wheel says so:",
            "# installers take them on any CPU, and on one that has less the import fails.",
            "# /lib64/ld-linux-x86-64.so.2 --help lists the levels of a machine (glibc 2.33 and newer).",
        ]
    for name, needed in sorted(others.items()):
        which = f"CPUs of the level {needed}" if needed else "all other CPUs"
        found.append(
            f"# For {which} there is an index of its own: inv index.config TOOL all --variant {name}"
        )
    return found


def required_level(wheelhouse: Wheelhouse, candidates: Iterable[Candidate]) -> str | None:
    """The highest level above the oldest usual one that the records of wheels name; None without any."""
    found: set[str] = set()
    for each in candidates:
        with suppress(RecordError, WheelhouseError):
            record = Record.from_json(wheelhouse.record(each.variant, each.file.key), each.filename)
            if record.instruction_set and record.instruction_set not in _USUAL:
                found.add(record.instruction_set)
    return highest_level(found) if found else None


def from_elsewhere(candidates: Sequence[Candidate]) -> frozenset[Name]:
    """What the candidates need that is none of them."""
    return frozenset(name for candidate in candidates for name in candidate.requires) - {
        candidate.project for candidate in candidates
    }


def resolve(
    candidates: Sequence[Candidate],
    *,
    simple: str,
    python: str,
    env: Mapping[str, str],
    public: str | None,
    pylock: bool = False,
) -> str:
    """Pin what the candidates need from elsewhere, with hashes, for all platforms.

    Args:
        candidates: the farm's wheels.
        simple: an index that has them; it comes first, so that no other index supplies their names.
        python: the lowest feature version.
        env: the environment in which uv is found and run.
        public: the index for the rest; uv's own default where nobody names one.
        pylock: whether the text is that of pylock.toml, in place of lines of a requirements file.

    Returns:
        The pins, without the farm's own distributions; empty where the candidates need nothing.

    Raises:
        LockError: when it does not resolve.
    """
    if not from_elsewhere(candidates):
        return ""
    projects = {candidate.project for candidate in candidates}
    wanted = sorted({f"{candidate.project}=={candidate.version}" for candidate in candidates})
    try:
        return compile_requirements(
            wanted,
            projects,
            python=python,
            env={**env, "UV_INDEX": simple},
            index_url=public,
            pylock=pylock,
        )
    except ProcessError as problem:
        raise LockError(
            "what the wheels need from elsewhere does not resolve", where=", ".join(wanted), why=problem.why
        ) from problem
