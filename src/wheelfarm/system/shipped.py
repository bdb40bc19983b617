"""The files of wheelfarm's own farm that farms of others use: its recipes, variants, locks and workflow.

An installed wheelfarm has them below its package; in wheelfarm's repository they are where they always are.
Uses the standard library only: sessions of nox read it.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parents[1]


def shipped_farm() -> Path:
    """The directory with pyproject.toml, recipes/, patches/, variants/ and requirements/ of wheelfarm."""
    installed = _PACKAGE / "farm"
    return installed if installed.is_dir() else _PACKAGE.parents[1]


def installed_record() -> Path | None:
    """The RECORD of the installed wheelfarm; None where its source is used in place."""
    return next(_PACKAGE.parent.glob("wheelfarm-*.dist-info/RECORD"), None)


def farm_of_distribution(name: str) -> Path | None:
    """The farm that an installed distribution has as `<package>/farm/`; None where it has none.

    Raises:
        PackageNotFoundError: when the distribution is not installed.
    """
    if name == "wheelfarm":
        return shipped_farm()
    files = (Path(str(file.locate())) for file in distribution(name).files or ())
    return next((file.parent for file in files if file.parts[-2:] == ("farm", "pyproject.toml")), None)


def unpacked_farm(work: Path, commit: str) -> Path:
    """Where a farm in a git repository is unpacked, below the directory of build directories and logs."""
    return work / "base" / commit / f"base-{commit}"


def find_base(base: object, work: Path) -> Path | None:
    """The directory of a base, as pyproject.toml names it; None where it is not on this machine."""
    if isinstance(base, dict):
        path = unpacked_farm(work, str(base.get("commit")))
        return path if path.is_dir() else None
    try:
        return farm_of_distribution(re.split(r"[^A-Za-z0-9._-]", str(base))[0].lower())
    except (PackageNotFoundError, ValueError):
        return None
