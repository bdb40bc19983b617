"""Which Pythons a wheel says that it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.tags import compatible_tags, cpython_tags

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wheelfarm.model import Python
    from wheelfarm.wheels import Wheel


def served(wheel: Wheel, pythons: Iterable[Python]) -> tuple[Python, ...]:
    """Those of some Pythons into which an installer would put a wheel.

    By its tags (PEP 425; abi3 serves every later Python that is not free-threaded) and its Requires-Python.
    The platform is taken for granted.
    """
    # Which bug-fix releases the interpreters are is not asked, so that `>=3.11.3` means 3.11 too.
    platforms = sorted({tag.platform for tag in wheel.tags})
    wanted = SpecifierSet(wheel.metadata.requires_python)
    return tuple(
        python
        for python in pythons
        if wanted.contains(f"{python.major}.{python.minor}.99")
        if not wheel.tags.isdisjoint(
            (
                *cpython_tags(python.version, [python.tag], platforms),
                *compatible_tags(python.version, python.tag.removesuffix("t"), platforms),
            )
        )
    )


def serves_one(wheel: Wheel) -> bool:
    """Whether a wheel is for one Python alone, which its build had: then nobody needs to look for others."""
    return all(tag.abi not in {"abi3", "none"} for tag in wheel.tags)
