"""The build context of an image: a Containerfile, and a tree of wheels as one archive."""

from __future__ import annotations

import io
import stat
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.build.containers import CONTAINERFILE
from wheelfarm.deploy.bytecode import PREFIX
from wheelfarm.deploy.tree import SITE
from wheelfarm.deploy.tree_files import EPOCH, tree_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wheelfarm.deploy.base_image import BaseImage
    from wheelfarm.deploy.deployment import Deployment
    from wheelfarm.deploy.tree import Tree

ARCHIVE: Final = "opt.tar"
_USER: Final = 65532
"""That of the distroless images' nonroot; it needs no line in /etc/passwd."""
_LABEL: Final = "org.opencontainers.image"


def image_variables(tree: Tree) -> dict[str, str]:
    """The variables of an image that has a tree at /opt."""
    variables = {"PYTHONPATH": f"{PREFIX}/{SITE}", "PYTHONDONTWRITEBYTECODE": "1"}
    if any(entry.path.startswith("lib/") for entry in tree.entries):
        variables["LD_LIBRARY_PATH"] = f"{PREFIX}/lib"
    return variables


def containerfile(image: Deployment, base: str, examined: BaseImage | None) -> str:
    """The text of the Containerfile: one layer over the base, in which nothing runs."""
    wheels, python = image.selection.wheels, image.selection.target.python
    labels = {
        "title": ", ".join(image.selection.requested),
        "description": f"Python {python} with {', '.join(f'{each.name} {each.version}' for each in wheels)}",
        "base.name": base,
        **({"base.digest": examined.digest} if examined else {}),
    }
    return "\n".join(
        [
            "# Written by `inv deploy.image`. It adds no pip, no compiler and no cache to the base.",
            f"FROM {base}",
            *(f'LABEL {_LABEL}.{key}="{value}"' for key, value in labels.items()),
            f"ADD {ARCHIVE} {PREFIX}/",
            *(f'ENV {name}="{value}"' for name, value in image_variables(image.tree).items()),
            f"USER {_USER}:{_USER}",
            'ENTRYPOINT ["python3"]',
            "CMD []",
            "",
        ]
    )


def write_context(image: Deployment, base: str, examined: BaseImage | None, directory: Path) -> None:
    """Write the Containerfile and the archive into a directory: the same bytes from the same wheels.

    Raises:
        WheelError: when a wheel cannot be read.
        OSError: when a file cannot be written.
    """
    text = containerfile(image, base, examined)
    (directory / CONTAINERFILE).write_text(text, encoding="utf-8", newline="\n")
    # Unlike a directory, its modes, times, links and user are the same on any machine.
    with tarfile.open(directory / ARCHIVE, "w") as archive:
        for info, data in _members(image.tree, image.bytecode):
            info.mtime = EPOCH
            archive.addfile(info, io.BytesIO(data))


def _members(tree: Tree, bytecode: Mapping[str, bytes]) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """The files and the directories of a tree, each directory before what is in it."""
    known = {PurePosixPath()}
    for path, data, mode in tree_files(tree, bytecode):
        for parent in reversed(PurePosixPath(path).parents):
            if parent not in known:
                known.add(parent)
                info = tarfile.TarInfo(str(parent))
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                yield info, b""
        info = tarfile.TarInfo(path)
        info.mode = stat.S_IMODE(mode)
        if stat.S_ISLNK(mode):
            info.type, info.linkname = tarfile.SYMTYPE, data.decode()
        else:
            info.size = len(data)
        yield info, data
