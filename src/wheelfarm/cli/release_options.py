"""The options of recipe.new and recipe.bump that say which releases are suitable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import UsageError
from wheelfarm.recipes.draft.release import Policy

if TYPE_CHECKING:
    from wheelfarm.recipes.settings import Settings

DEFAULT_AGE: Final = "7"
"""Days."""
_DIGITS: Final = 5


def make_policy(
    settings: Settings,
    *,
    command: str,
    min_age: str = DEFAULT_AGE,
    require_dates: bool = False,
    prereleases: bool = False,
) -> Policy:
    """Which releases are suitable now, for the Pythons of a farm.

    Args:
        settings: those of the farm.
        command: the task that chooses, for hints.
        min_age: `--min-age`, in days.
        require_dates: `--require-dates`.
        prereleases: `--prereleases`.

    Raises:
        UsageError: when `min_age` is no number of days.
    """
    if not min_age.isascii() or not min_age.isdigit() or len(min_age) > _DIGITS:
        raise UsageError(f"--min-age: {min_age!r} is not a number of days", hint="--min-age 7")
    return Policy(
        pythons=settings.pythons,
        now=datetime.now(UTC),
        min_age=timedelta(days=int(min_age)),
        prereleases=prereleases,
        require_dates=require_dates,
        command=command,
    )
