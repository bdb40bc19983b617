"""Requirements of a distribution (PEP 508), whoever wrote them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement

# Python converts no more than 4,300 digits to an integer, and `packaging` converts when it compares.
_LONG_NUMBER: Final = re.compile(r"\d{100}")


@lru_cache(maxsize=4096)
def parse_requirement(text: str) -> Requirement:
    """Parse a requirement, which the caller does not change: the locks of many recipes have the same lines.

    Raises:
        InvalidRequirement: when it is none, its marker is nested too deeply, or a number has 100 digits.
    """
    if _LONG_NUMBER.search(text):
        raise InvalidRequirement("a number in it is too long")
    try:
        return Requirement(text)
    except RecursionError as error:
        raise InvalidRequirement("its marker is nested too deeply") from error
