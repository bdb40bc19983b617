"""What can be wrong with what a build is made from: words, settings, recipes, sources, patches."""

from __future__ import annotations

from wheelfarm.errors.base import FarmError


class UsageError(FarmError):
    """The words of a command are wrong: an unknown option, package, variant, Python or engine."""

    slug, exit_code = "usage", 2


class SettingsError(FarmError):
    """`[tool.wheelfarm]` or a WHEELFARM_ variable holds something that cannot be used."""

    slug, exit_code = "settings", 10


class RecipeError(FarmError):
    """A recipe does not parse or says something that cannot be."""

    slug, exit_code = "recipe", 11


class CycleError(FarmError):
    """Recipes require each other in a circle."""

    slug, exit_code = "cycle", 12


class LockError(FarmError):
    """A lock file is missing, unpinned, without hashes, or does not cover what the source requires."""

    slug, exit_code = "lock", 13


class WorkflowError(FarmError):
    """A workflow cannot be drawn as it should be, is stale, or uses an action that is not pinned."""

    slug, exit_code = "workflow", 14


class NetworkError(FarmError):
    """The index or a download could not be reached."""

    slug, exit_code = "network", 20


class SourceError(FarmError):
    """A source is not to be had: a version or file that the index does not list, an unknown commit."""

    slug, exit_code = "source", 21


class HashError(FarmError):
    """The bytes that arrived are not the bytes that were pinned."""

    slug, exit_code = "hash", 22


class ArchiveError(FarmError):
    """An archive is damaged, truncated or unsafe to unpack."""

    slug, exit_code = "archive", 23


class PatchError(FarmError):
    """A patch does not apply exactly, is unlisted, matches nothing or is no longer needed."""

    slug, exit_code = "patch", 30


class StageError(FarmError):
    """A build's directory could not be laid out."""

    slug, exit_code = "stage", 31
