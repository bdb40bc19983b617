"""Settings for those who install: safe against a package of the farm's name on another index; pure.

Installers that ask several indexes for one name take the best version of any of them, and whoever may upload
to one of these decides what runs ("dependency confusion"). So each of the farm's names must come from the
farm's index alone: by the order of indexes where the installer stops at the first that knows a name, by a
source for each name, or by the hash of each file.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
    yield "#   inv lock PACKAGES && pip install --require-hashes --requirement requirements.txt"
    yield "[global]"
    yield f"index-url = {url}"
    yield "extra-index-url ="
    host = urlsplit(url)
    if host.scheme == "http" and host.hostname not in {"127.0.0.1", "localhost"}:
        yield f"trusted-host = {host.hostname}"


def _uv(index: str, url: str, names: Sequence[Name]) -> Iterator[str]:
    yield "# pyproject.toml. uv stops at the first index that knows a name, and this one is asked first: that"
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
    yield "# requirements.txt is what `inv lock PACKAGES` writes: it has the hash of each file. The password"
    yield "# comes from a secret, which no layer keeps: docker build --secret id=netrc,src=$HOME/.netrc ."
    yield "COPY requirements.txt ."
    yield "RUN --mount=type=secret,id=netrc \\"
    yield f"    NETRC=/run/secrets/netrc PIP_INDEX_URL={url} \\"
    yield "    pip install --no-cache-dir --require-hashes --requirement requirements.txt"
