"""What an engine offers for one target: the facts about it that can change a wheel's bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.model import EngineName, Target


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """The facts, as an engine found them before the plan is made.

    `facts` holds what every build depends on (image digest, interpreter, repair tool); `compilers`,
    `packages` and `programs` hold versions by language, by system package and by name: only the builds that
    use one depend on it.
    """

    engine: EngineName
    target: Target
    facts: Mapping[str, str]
    compilers: Mapping[str, str]
    packages: Mapping[str, str]
    programs: Mapping[str, str] = field(default_factory=dict)
    """Versions of the programs that recipes name in their environment, by name."""
    manager: str | None = None
    """The system's package manager: apt or dnf; None where there is none that we know."""
    glibc: tuple[int, int] = (2, 17)
    """The newest manylinux level whose wheels run where the build runs."""
