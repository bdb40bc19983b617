"""Compares the components of stored wheels with a database of vulnerabilities."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from wheelfarm.model import sha256_of_bytes
from wheelfarm.provenance.conditions import order_of
from wheelfarm.provenance.osv import Advisory, read_database
from wheelfarm.provenance.sbom_components import PackageUrl
from wheelfarm.sources.patch_header import header_text, resolved_vulnerabilities
from wheelfarm.sources.patches import header_and_diff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.provenance.facts import Component
    from wheelfarm.provenance.osv import Affected
    from wheelfarm.provenance.search_index import IndexedWheel, SearchIndex

ECOSYSTEMS: Final[Mapping[tuple[str, str], str]] = {
    ("pypi", ""): "PyPI",
    ("cargo", ""): "crates.io",
    ("deb", "debian"): "Debian",
    ("deb", "ubuntu"): "Ubuntu",
    ("apk", "alpine"): "Alpine",
    ("rpm", "almalinux"): "AlmaLinux",
    ("rpm", "rocky"): "Rocky Linux",
    ("rpm", "rhel"): "Red Hat",
}
"""Type and namespace of a package URL → the ecosystem in the OSV schema."""
_OTHER_REPOSITORY: Final = frozenset({"Pro"})
"""Parts of the name of an ecosystem whose packages come from other repositories: Ubuntu Pro."""
_RELEASE: Final = re.compile(r"v?(\d+)(?:\.(\d+))?")


_Vulnerability = tuple[frozenset[str], tuple[Advisory, ...], tuple[str, ...]]
"""Names, records and versions that mend it."""


@dataclass(frozen=True)
class PackageVersion:
    """A version of a package of an ecosystem."""

    ecosystem: str
    names: tuple[str, ...]
    """Of the package and of its source: databases use either."""
    version: str
    scheme: str
    release: str
    """Of the distribution, such as 12; empty where it is unknown, and then each release counts."""

    @classmethod
    def of(cls, component: Component) -> PackageVersion | None:
        """What a database can be searched for; None where no ecosystem of OSV has the component."""
        purl = PackageUrl.parse(component.purl)
        ecosystem = ECOSYSTEMS.get((purl.kind, purl.namespace)) if purl else None
        if purl is None or ecosystem is None or not purl.version:
            return None
        names = dict.fromkeys(filter(None, (purl.name, purl.qualifiers.get("upstream", ""))))
        if purl.kind == "pypi":
            names = {canonicalize_name(purl.name): None}
        _, _, release = purl.qualifiers.get("distro", "").partition("-")
        return cls(ecosystem, tuple(names), purl.version, purl.kind, release)

    def is_in(self, ecosystem: str) -> bool:
        """Whether an ecosystem, such as Debian:12 or Ubuntu:22.04:LTS, has the package's release."""
        name, _, suffix = ecosystem.partition(":")
        parts = suffix.split(":") if suffix else []
        if name != self.ecosystem or _OTHER_REPOSITORY & {*parts}:
            return False
        wanted = _RELEASE.match(self.release)
        found = [match for part in parts if (match := _RELEASE.fullmatch(part))]
        if not found or not wanted:
            return True
        # Alpine and Ubuntu have a number after the point in their releases, the others in updates of one.
        return any(each[1] == wanted[1] and each[2] in {None, wanted[2]} for each in found)

    def is_affected(self, affected: Affected) -> bool:
        """Whether this very version is."""
        package = affected.package
        name = canonicalize_name(package.name) if self.scheme == "pypi" else package.name
        return (
            name in self.names
            and self.is_in(package.ecosystem)
            and affected.covers(self.version, self.scheme)
        )

    def is_older_than(self, version: str) -> bool:
        """Whether another version is a newer one; also where it has no order."""
        order = order_of(self.scheme)
        try:
            return bool(order(self.version) < order(version))
        except ValueError:
            return True


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A vulnerability of a component, in one wheel."""

    names: frozenset[str]
    advisories: tuple[Advisory, ...]
    """The records about it, which may be several by other names; none where only a patch names it."""
    component: Component
    wheel: IndexedWheel
    fixed: tuple[str, ...]
    """Versions of the component that mend it."""
    patches: tuple[str, ...]
    """Patches of the wheel that resolve it."""

    @property
    def name(self) -> str:
        """Its name in the CVE list, where it has one."""
        return min(self.names, key=lambda each: (not each.startswith("CVE-"), each))


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit has found."""

    findings: tuple[Finding, ...]
    wheels: int
    components: int
    """Different ones that were looked up."""
    unknown: tuple[Component, ...]
    """Components that no database of this format knows, as those of unknown origin; one for each name."""
    sourceless: tuple[Component, ...]
    """System packages whose SBOM names neither source nor release, since an older wheelfarm wrote it."""

    @property
    def open(self) -> tuple[Finding, ...]:
        """Findings that no patch resolves."""
        return tuple(each for each in self.findings if not each.patches)


def resolved_by_diff(directories: Iterable[Path]) -> dict[str, tuple[str, ...]]:
    """The vulnerabilities that patches in some directories resolve by their headers, by sha256 of the diff.

    A header is no part of the build key: one may name a vulnerability that nobody knew when the wheel was
    built.
    """
    found = {}
    for path in (path for directory in directories for path in directory.rglob("*.patch")):
        header, diff = header_and_diff(path)
        if resolved := resolved_vulnerabilities(header_text(header)):
            found[str(sha256_of_bytes(diff))] = resolved
    return found


def audit_wheels(
    index: SearchIndex,
    wheels: Iterable[IndexedWheel],
    database: Path,
    progress: Callable[[str], None],
    *,
    fixes: Mapping[str, tuple[str, ...]] | None = None,
) -> Audit:
    """Look up the components of wheels in a database of vulnerabilities.

    Args:
        index: of the wheelhouse; it must be up to date.
        wheels: those to audit.
        database: records in the OSV format.
        progress: gets a line for people.
        fixes: vulnerabilities that patches resolve besides those in the records, by sha256 of the diff.

    Raises:
        DatabaseError: when the database cannot be read.
    """
    found = [*index.components(wheels)]
    packages = {each.purl: PackageVersion.of(each) for _, components in found for each in components}
    known = {purl: each for purl, each in packages.items() if each}
    wanted = {(each.ecosystem, name) for each in known.values() for name in each.names}
    by_package = _by_package(read_database(database, _Wanted(wanted), progress))
    vulnerabilities = {
        purl: [*_merged(package, _affecting(package, by_package))] for purl, package in known.items()
    }
    findings: dict[tuple[int, str, frozenset[str]], Finding] = {}
    for wheel, components in found:
        resolved = {
            name: patch.name
            for patch in index.patches(wheel)
            for name in (*patch.version.split(), *(fixes or {}).get(patch.scheme, ()))
        }
        for finding in _findings(wheel, components, resolved, vulnerabilities):
            findings[wheel.id, finding.component.ref, finding.names] = finding
    every = [each for _, components in found for each in components]
    unknown = {each.name: each for each in every if each.purl not in known}
    sourceless = {
        each.name: each
        for each in every
        if (package := known.get(each.purl))
        and package.scheme not in {"pypi", "cargo"}
        and not package.release
    }
    return Audit(
        findings=tuple(findings.values()),
        wheels=len(found),
        components=len(known),
        unknown=tuple(unknown[name] for name in sorted(unknown)),
        sourceless=tuple(sourceless[name] for name in sorted(sourceless)),
    )


def _findings(
    wheel: IndexedWheel,
    components: Sequence[Component],
    resolved: Mapping[str, str],
    vulnerabilities: Mapping[str, Sequence[_Vulnerability]],
) -> Iterator[Finding]:
    """The vulnerabilities of one wheel's components, and those that only its patches name."""
    named: set[str] = set()
    for component in components:
        for names, advisories, fixed in vulnerabilities.get(component.purl, ()):
            # A patch changes the source of the wheel, and no library that was copied into it.
            by = {resolved[name] for name in names & resolved.keys()} if component.own else set()
            named |= names if component.own else set()
            yield Finding(
                names=names,
                advisories=advisories,
                component=component,
                wheel=wheel,
                fixed=fixed,
                patches=tuple(sorted(by)),
            )
    own = next((each for each in components if each.own), None)
    for name, patch in resolved.items():
        if own and name not in named:
            yield Finding(
                names=frozenset({name}),
                advisories=(),
                component=own,
                wheel=wheel,
                fixed=(),
                patches=(patch,),
            )


class _Wanted:
    """The wanted packages; the names of PyPI are compared as PEP 503 says."""

    def __init__(self, packages: set[tuple[str, str]]) -> None:
        self._packages = packages

    def __contains__(self, package: object) -> bool:
        match package:
            case ("PyPI", str(name)):
                return ("PyPI", canonicalize_name(name)) in self._packages
        return package in self._packages


def _by_package(advisories: Sequence[Advisory]) -> dict[tuple[str, str], list[tuple[Advisory, Affected]]]:
    found = defaultdict(list)
    for advisory in advisories:
        for affected in advisory.affected:
            ecosystem, name = affected.package.ecosystem.partition(":")[0], affected.package.name
            if ecosystem == "PyPI":
                name = canonicalize_name(name)
            found[ecosystem, name].append((advisory, affected))
    return found


def _affecting(
    package: PackageVersion, by_package: Mapping[tuple[str, str], list[tuple[Advisory, Affected]]]
) -> Iterator[tuple[Advisory, Affected]]:
    for name in package.names:
        for advisory, affected in by_package.get((package.ecosystem, name), ()):
            if package.is_affected(affected):
                yield advisory, affected


def _merged(package: PackageVersion, found: Iterable[tuple[Advisory, Affected]]) -> Iterator[_Vulnerability]:
    """The vulnerabilities of a package, each with all records about it: several databases have one."""
    groups: list[tuple[set[str], dict[str, Advisory], dict[str, None]]] = []
    for advisory, affected in found:
        names, advisories, fixed = set(advisory.names), {advisory.id: advisory}, dict.fromkeys(affected.fixed)
        for group in [each for each in groups if each[0] & names]:
            groups.remove(group)
            names |= group[0]
            advisories = group[1] | advisories
            fixed = group[2] | fixed
        groups.append((names, advisories, fixed))
    for names, advisories, fixed in groups:
        newer = [version for version in fixed if package.is_older_than(version)]
        yield frozenset(names), tuple(advisories.values()), tuple(newer)
