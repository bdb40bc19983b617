"""The options of recipe.new, recipe.bump and recipe.lock that say which releases are suitable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wheelfarm.errors import UsageError
from wheelfarm.recipes.draft.release import Policy
from wheelfarm.recipes.release_age import OLDEST, make_limit

if TYPE_CHECKING:
    from wheelfarm.recipes.release_age import AgeLimit
    from wheelfarm.recipes.settings import Settings

DEFAULT_AGE: Final = 7
"""Days of recipe.new and recipe.bump where nobody states an age."""
MIN_AGE: Final = "days since the upload of what is taken; by default `min-age` of the farm"
_DIGITS: Final = 5


def make_age_limit(settings: Settings, min_age: str | None, *, default: int = 0) -> AgeLimit:
    """The least age of what is taken from the index.

    Args:
        settings: those of the farm, whose `min-age` counts where the option is not given.
        min_age: `--min-age`, in days.
        default: the days where nobody states them, which nothing enforces.

    Raises:
        UsageError: when `min_age` is no number of days.
    """
    if min_age is not None and not (
        min_age.isascii() and min_age.isdigit() and len(min_age) <= _DIGITS and int(min_age) <= OLDEST
    ):
        what = f"--min-age: {min_age!r} is not a number of days"
        raise UsageError(what, why=f"0 to {OLDEST} are possible", hint="--min-age 7")
    return make_limit(settings.min_age if min_age is None else int(min_age), default)


def make_policy(
    settings: Settings,
    *,
    command: str,
    min_age: str | None = None,
    require_dates: bool = False,
    prereleases: bool = False,
    enforced: bool = False,
) -> Policy:
    """Which releases are suitable now, for the Pythons of a farm.

    Args:
        settings: those of the farm.
        command: the task that chooses, for hints.
        min_age: `--min-age`, in days.
        require_dates: `--require-dates`.
        prereleases: `--prereleases`.
        enforced: whether the default age is enforced as one that somebody states.

    Raises:
        UsageError: when `min_age` is no number of days.
    """
    limit = make_age_limit(settings, min_age, default=DEFAULT_AGE)
    return Policy(
        now=limit.now,
        min_age=limit.min_age,
        enforced=limit.enforced or enforced,
        pythons=settings.pythons,
        prereleases=prereleases,
        require_dates=require_dates,
        command=command,
    )
