"""The texts that a recipe's keys hold, each checked where it is read.

Names are those of the specifications: PEP 517 for config settings, PEP 503 for names, PEP 440 for versions.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, Field

from wheelfarm.errors import FarmError
from wheelfarm.model import Platform, parse_digest, parse_name


def _name(text: str) -> str:
    try:
        return parse_name(text)
    except FarmError as problem:
        raise ValueError(f"{problem.what}: {problem.why}") from problem


def _digest(text: str) -> str:
    try:
        return parse_digest(text)
    except FarmError as problem:
        raise ValueError(f"{problem.what}: {problem.why}") from problem


def _version(text: str) -> str:
    try:
        Version(text)
    except InvalidVersion as problem:
        raise ValueError(f"{text!r} is not a version (PEP 440)") from problem
    return text


def _specifiers(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as problem:
        raise ValueError(f"{text!r} is not a version range (PEP 440)") from problem
    return text


def _requirement(text: str) -> str:
    try:
        Requirement(text)
    except InvalidRequirement as problem:
        raise ValueError(f"{text!r} is not a requirement (PEP 508)") from problem
    return text


def _file(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\\" in text or not text:
        raise ValueError("a file is named relative to its directory, without '..'")
    return text


def _commit(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text):
        raise ValueError("a commit is pinned by its full hash: a branch or tag can move")
    return text


NameText = Annotated[str, AfterValidator(_name)]
DigestText = Annotated[
    str, AfterValidator(_digest), Field(json_schema_extra={"pattern": "^[0-9a-fA-F]{64}$"})
]
VersionText = Annotated[str, AfterValidator(_version)]
Specifiers = Annotated[str, AfterValidator(_specifiers)]
RequirementText = Annotated[str, AfterValidator(_requirement)]
FileText = Annotated[str, AfterValidator(_file)]
Module = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$")]
ConfigKey = Annotated[str, Field(pattern="^[^=]+$")]  # key=value is how every frontend takes a setting
VariableName = Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
InstallTag = Annotated[str, Field(pattern=r"^[^,\s]+$")]  # Meson parts its list of tags at commas
SplitKey = Annotated[str, Field(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
PlatformName = Annotated[Platform, Field(strict=False)]
CommitText = Annotated[str, AfterValidator(_commit)]
