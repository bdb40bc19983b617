"""Compares what a wheel with edited metadata requires with what is installed, as `pip check` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wheelfarm.gate.check import Check, listed
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.recipes.locks import marker_environment
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.specifiers import SpecifierSet

    from wheelfarm.gate.clean_environment import CleanEnvironment


def check_run_requirements(environment: CleanEnvironment, installed: Mapping[str, str]) -> Iterator[Check]:
    """Whether each requirement that holds without an extra is installed, in a version that it allows.

    Args:
        environment: with the wheel; its recipe edits the metadata.
        installed: the versions that the environment reports, by distribution.
    """
    wheel, target = open_wheel(environment.wheel.path), environment.target
    versions = {str(canonicalize_name(name)): version for name, version in installed.items()}
    found = versions.get(wheel.name, "not installed")
    yield Check.of("version", expected=wheel.version, found=found, ok=found == wheel.version)
    markers = {**marker_environment(target), "extra": ""}
    requirements = [parse_requirement(text) for text in wheel.metadata.requires_dist]
    held = [each for each in requirements if each.marker is None or each.marker.evaluate(markers)]
    wrong = {}
    for each in held:
        version = versions.get(canonicalize_name(each.name))
        if version is None or not _allows(each.specifier, version):
            wrong[str(each)] = f"{each.name} {version or 'is not installed'}"
    names = {canonicalize_name(each.name) for each in held}
    right = [f"{name} {versions[name]}" for name in sorted(names) if name in versions]
    yield Check.of(
        "run-requires",
        expected=listed(wrong or map(str, held)),
        found=listed(wrong.values() or right),
        ok=not wrong,
        cause="metadata.requires of the recipe edits what the wheel requires, and its clean environment has "
        "what requires.run and test.lock name",
        hint=f"correct metadata.requires or requires.run in {environment.recipe.where}, then "
        f"inv recipe.lock {environment.recipe.name}",
    )


def _allows(specifiers: SpecifierSet, version: str) -> bool:
    try:
        return specifiers.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False
