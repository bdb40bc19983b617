"""What of a patch file a wheel depends on: its diff, and the link that the bill of materials gives."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from wheelfarm.model import Digest

if TYPE_CHECKING:
    from pathlib import Path

_DIFF: Final = re.compile(rb"^(diff |--- )", re.MULTILINE)
_LINK: Final = re.compile(rb"^Upstream:[ \t]*(https?://[!-~]+)", re.MULTILINE)


def _split(path: Path) -> tuple[bytes, bytes]:
    """The header and the diff of a patch."""
    text = path.read_bytes()
    start = _DIFF.search(text)
    return (text[: start.start()], text[start.start() :]) if start else (b"", text)


def diff_digest(path: Path) -> Digest:
    """The digest of a patch without its header: a better explanation needs no compiler."""
    return Digest(hashlib.sha256(_split(path)[1]).hexdigest())


def upstream_link(path: Path) -> str:
    """The link to the issue or change that a patch's header names; empty where there is none."""
    found = _LINK.search(_split(path)[0])
    return found[1].decode().rstrip(".,;)") if found else ""


def key_part(path: Path) -> str:
    """A patch as a part of the rebuild key."""
    return f"{diff_digest(path)} {upstream_link(path)}".strip()
