"""Requirements of a distribution (PEP 508), whoever wrote them."""

from __future__ import annotations

from packaging.requirements import InvalidRequirement, Requirement


def parse_requirement(text: str) -> Requirement:
    """Parse a requirement.

    Raises:
        InvalidRequirement: when it is none, or its marker is nested too deeply.
    """
    try:
        return Requirement(text)
    except RecursionError as error:
        raise InvalidRequirement("its marker is nested too deeply") from error
