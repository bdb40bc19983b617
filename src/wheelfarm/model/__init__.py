"""Frozen values without input or output; the `parse` functions refuse what is not valid."""

from wheelfarm.model.config_settings import ConfigSettings
from wheelfarm.model.names import Digest, Name, parse_digest, parse_name, sha256_of_bytes, sha256_of_json
from wheelfarm.model.states import (
    AppliedPatch,
    Archive,
    CacheUse,
    EnvironmentEntry,
    FetchedSource,
    GitCommit,
    LockedRequirement,
    PatchedTree,
    PinnedWheel,
    RepairedWheel,
    Sdist,
    Source,
    StoredWheel,
)
from wheelfarm.model.targets import PLATFORM_SUFFIXES, EngineName, Platform, Python, Target

__all__ = [
    "PLATFORM_SUFFIXES",
    "AppliedPatch",
    "Archive",
    "CacheUse",
    "ConfigSettings",
    "Digest",
    "EngineName",
    "EnvironmentEntry",
    "FetchedSource",
    "GitCommit",
    "LockedRequirement",
    "Name",
    "PatchedTree",
    "PinnedWheel",
    "Platform",
    "Python",
    "RepairedWheel",
    "Sdist",
    "Source",
    "StoredWheel",
    "Target",
    "parse_digest",
    "parse_name",
    "sha256_of_bytes",
    "sha256_of_json",
]
