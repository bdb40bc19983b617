"""The files of wheelfarm's own farm that farms of others use: its recipes, variants, locks and workflow.

An installed wheelfarm has them below its package; in wheelfarm's repository they are where they always are.
Uses the standard library only: sessions of nox read it.
"""

from __future__ import annotations

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
