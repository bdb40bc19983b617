"""The file names of wheels and their tags, whoever wrote them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from packaging import tags, utils
from packaging.utils import InvalidWheelFilename

if TYPE_CHECKING:
    from packaging.tags import Tag
    from packaging.utils import BuildTag, NormalizedName
    from packaging.version import Version

_LONGEST: Final = 255
"""Characters of a file name, as file systems have it."""
_MOST_TAGS: Final = 1000
"""A compressed set of tags stands for the product of its three parts (PEP 425)."""


@lru_cache(maxsize=1 << 16)
def parse_wheel_filename(filename: str) -> tuple[NormalizedName, Version, BuildTag, frozenset[Tag]]:
    """The parts of a wheel's file name; cached, since one name is compared with many others.

    Raises:
        InvalidWheelFilename: when it is not a wheel's, or has too many tags.
    """
    if len(filename) > _LONGEST:
        raise InvalidWheelFilename(f"it has {len(filename):,} characters, and {_LONGEST} at most")
    try:
        _check_tag_count(filename.removesuffix(".whl"))
        return utils.parse_wheel_filename(filename)
    except InvalidWheelFilename:
        raise
    except ValueError as error:
        raise InvalidWheelFilename(str(error)) from error


def is_any_platform(filename: str) -> bool:
    """Whether a wheel is for every platform, by its file name (PEP 425)."""
    return filename.endswith("-none-any.whl")


def parse_tags(*texts: str) -> frozenset[Tag]:
    """The tags of one or more compressed sets.

    Raises:
        ValueError: when one is none, or they have too many tags together.
    """
    _check_tag_count(*texts)
    return frozenset(tag for text in texts for tag in tags.parse_tag(text))


def _check_tag_count(*texts: str) -> None:
    """Raise a ValueError for compressed sets of more tags than any wheel has."""
    count = sum(math.prod(part.count(".") + 1 for part in text.rsplit("-", 3)[-3:]) for text in texts)
    if count > _MOST_TAGS:
        raise ValueError(f"it stands for {count:,} tags, and for {_MOST_TAGS:,} at most")
