"""Conditions of a search, such as `openssl<3.2`, and the order of versions in each kind of package."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Self

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from wheelfarm.errors import UsageError
from wheelfarm.provenance.facts import FactKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wheelfarm.provenance.facts import Fact

_CONDITION: Final = re.compile(r"\s*(?P<name>[^\s<>=!~,;]+)\s*(?P<bounds>.*?)\s*")
_BOUND: Final = re.compile(r"(===?|~=|!=|<=|>=|<|>)\s*([^\s,<>=!~]\S*)")
_EPOCH: Final = re.compile(r"^\d+:")
_REPACKED: Final = re.compile(r"[+~.](?:dfsg|ds|repack)[\w.]*$")
_REVISION: Final = re.compile(r"[_#]\d+$")
"""Of Homebrew and of vcpkg."""
_ZEROS: Final = re.compile(r"(?:\.0)+$")
_PEP_440: Final = frozenset({"pypi", "cargo"})
"""Kinds whose versions PEP 440 describes; it reads the 1.0.0-rc.1 of SemVer as 1.0.0rc1."""
_SEPARATORS: Final = re.compile(r"[-_.]+")
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
}


def upstream_version(version: str) -> str:
    """The version of the project in a system package's: 3.0.17 of 3.0.17-1~deb12u2, 6.2.1 of 2:6.2.1-r3."""
    text = _EPOCH.sub("", version)
    return _REVISION.sub("", _REPACKED.sub("", text.rpartition("-")[0] or text))


@cache
def order_of(scheme: str) -> Callable[[str], Any]:
    """What orders the versions of a kind of package, by its own rules; by rpm's where it has none here.

    What it returns raises a ValueError for a version that its rules do not have.
    """
    # Its import costs a tenth of a second.
    from univers.versions import (  # noqa: PLC0415
        AlpineLinuxVersion,
        DebianVersion,
        RpmVersion,
        SemverVersion,
    )

    orders: dict[str, Callable[[str], Any]] = {
        "pypi": Version,
        "cargo": SemverVersion,
        "deb": DebianVersion,
        "apk": AlpineLinuxVersion,
    }
    return orders.get(scheme, RpmVersion)


@dataclass(frozen=True)
class _Bound:
    operator: str
    version: str

    def holds(self, version: str, scheme: str) -> bool:
        """Whether a version that PEP 440 does not describe is within the bound."""
        wanted, operator = self.version, self.operator
        if operator == "===":
            return version == wanted
        if "-" not in wanted and scheme:
            # A person means the project's version, unless a revision of a system package is named.
            version, scheme = upstream_version(version), ""
        if operator == "~=":
            at_least = _Bound(">=", wanted).holds(version, scheme)
            return at_least and _begins(version, wanted.rpartition(".")[0])
        if wanted.endswith(".*"):
            return _begins(version, wanted.removesuffix(".*")) is (operator != "!=")
        order = order_of(scheme)
        try:
            return _COMPARISONS[operator](*(order(_ZEROS.sub("", each)) for each in (version, wanted)))
        except ValueError:
            return True


def _begins(version: str, prefix: str) -> bool:
    return version == prefix or version.startswith(f"{prefix}.")


@dataclass(frozen=True)
class Condition:
    """What a fact of a wheel must be: its name, or a pattern of it, and bounds of its version."""

    kind: FactKind
    name: str
    """A name or a pattern as of a shell, in small letters."""
    bounds: tuple[_Bound, ...]
    text: str

    @classmethod
    def parse(cls, kind: FactKind, text: str) -> Self:
        """Read a condition such as `openssl<3.2`, `cython==3.0.*`, `libgomp*` or `CVE-2026-1234`.

        Raises:
            UsageError: when it is none, or has bounds where nothing has versions.
        """
        if kind is FactKind.PATCH and text.strip():
            return cls(kind, text.strip().lower(), (), text)
        match = _CONDITION.fullmatch(text)
        parts = [part.strip() for part in match["bounds"].split(",")] if match and match["bounds"] else []
        bounds = [_BOUND.fullmatch(part) for part in parts]
        if match is None or None in bounds:
            raise UsageError(
                f"{text!r} is no condition",
                where=f"--{kind}",
                why="a name is expected, perhaps with bounds of its version",
                hint=f"inv wheel.search --{kind} {_EXAMPLES[kind]}",
            )
        if bounds and kind is FactKind.LINKS:
            raise UsageError(
                f"{text!r} has bounds, and a linked library has no version",
                where=f"--{kind}",
                hint=f"inv wheel.search --{kind} {_EXAMPLES[kind]}; of copied libraries: --contains",
            )
        return cls(
            kind, match["name"].lower(), tuple(_Bound(each[1], each[2]) for each in bounds if each), text
        )

    def selects(self, fact: Fact) -> bool:
        """Whether a fact of this kind is what the condition says.

        A version that is unknown, or that has no order, is within any bounds: a search must not miss it.
        """
        if self.kind is FactKind.PATCH:
            return fnmatchcase(fact.name.lower(), self.name) or self.name in fact.ref.lower()
        return self._names(fact.name) and (not fact.version or self._covers(fact.version, fact.scheme))

    def _names(self, name: str) -> bool:
        name = name.lower()
        return fnmatchcase(name, self.name) or _SEPARATORS.sub("-", name) == _SEPARATORS.sub("-", self.name)

    def _covers(self, version: str, scheme: str) -> bool:
        if scheme in _PEP_440:
            try:
                bounds = SpecifierSet(",".join(f"{each.operator}{each.version}" for each in self.bounds))
                return bounds.contains(Version(version), prereleases=True)
            except (InvalidSpecifier, InvalidVersion):
                scheme = ""
        return all(each.holds(version, scheme) for each in self.bounds)


_EXAMPLES: Final[Mapping[FactKind, str]] = {
    FactKind.CONTAINS: "'openssl<3.2'",
    FactKind.LINKS: "libgomp",
    FactKind.BUILT_WITH: "'cython==3.0.*'",
    FactKind.PATCH: "CVE-2026-1234",
}
