"""Changes bundles, as somebody who also makes tar archives would."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

from wheelfarm.model import sha256_of_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def rewrite(archive: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    """Change the members of a bundle."""
    with tarfile.open(archive) as tar:
        members = {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]
    change(members)
    with tarfile.open(archive, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def set_digest(members: dict[str, bytes], name: str) -> None:
    """Let the manifest have the digest of a member as it is."""
    manifest = json.loads(members["bundle.json"])
    manifest["files"][name] = sha256_of_bytes(members[name])
    members["bundle.json"] = json.dumps(manifest).encode()
