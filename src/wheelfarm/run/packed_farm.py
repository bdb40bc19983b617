"""The files of a farm as a zip, for another machine."""

from __future__ import annotations

import io
import zipfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import SettingsError
from wheelfarm.model import sha256_of_bytes
from wheelfarm.run.build_files import SentFile
from wheelfarm.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.farm import Farm

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_IGNORED: Final = frozenset({"__pycache__", ".git"})


def _farm_files(settings: Settings) -> Iterator[Path]:
    """The files of the farm that a plan may read."""
    root = settings.root
    yield root / "pyproject.toml"
    for key in ("recipes", "patches"):
        directory: Path = getattr(settings, key)
        if not directory.resolve().is_relative_to(root.resolve()):
            raise SettingsError(
                f"{directory} is no part of the farm, so workers do not get it",
                where=f"pyproject.toml: tool.wheelfarm.{key}",
                hint=f"move it below {root}",
            )
        for path in sorted(directory.rglob("*")):
            if path.is_file() and _IGNORED.isdisjoint(path.parts):
                yield path
    for variant in settings.variants.values():
        # The lock of a variant of the base has its directory: the worker has its own base.
        if variant.lock and (root / variant.lock).is_file() and not variant.lock.startswith("/"):
            yield root / variant.lock


def pack_farm(settings: Settings) -> bytes:
    """The files of a farm as a zip: the same bytes for the same files.

    Raises:
        SettingsError: when recipes or patches lie outside of the farm.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(set(_farm_files(settings))):
            name = path.relative_to(settings.root).as_posix()
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


@dataclass(frozen=True, kw_only=True)
class PackedFarm:
    """The files of a farm as they were when its run began."""

    path: Path
    file: SentFile
    commits: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, farm: Farm) -> PackedFarm:
        """Pack the files of a farm into its directory of work."""
        data = pack_farm(farm.settings)
        path = farm.settings.work / "cluster" / "farm.zip"
        write_atomically(path, data, "the farm's files for workers")
        sent = SentFile(filename=path.name, sha256=sha256_of_bytes(data), size=len(data))
        return cls(path=path, file=sent, commits=tuple(map(asdict, farm.commits)))
