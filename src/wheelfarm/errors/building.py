"""What can go wrong between a stage and a wheel that has passed its gate."""

from __future__ import annotations

from wheelfarm.errors.base import FarmError


class EngineError(FarmError):
    """An engine, a builder image or an interpreter is missing or does not answer."""

    slug, exit_code = "engine", 40


class SystemPackageError(FarmError):
    """The host lacks a compiler or a system package, and may not install it."""

    slug, exit_code = "system-package", 41


class ProviderError(FarmError):
    """The library that a variant asks for is not the one that would be linked."""

    slug, exit_code = "provider", 42


class BuildError(FarmError):
    """The build backend, the compiler or the engine failed."""

    slug, exit_code = "build", 43


class YieldError(FarmError):
    """A build ended well but left no wheel, several, or one of another name or version."""

    slug, exit_code = "yield", 44


class ChainError(FarmError):
    """The build environment did not hold the wheels that the plan pinned."""

    slug, exit_code = "chain", 45


class RepairError(FarmError):
    """The repair tool refused the wheel or left something other than one wheel."""

    slug, exit_code = "repair", 50


class WheelError(FarmError):
    """A wheel cannot be read: not a zip, a wrong RECORD, duplicate members, a bad name."""

    slug, exit_code = "wheel", 51


class SplitError(FarmError):
    """A split of a recipe gets nothing, everything, or what another one gets too."""

    slug, exit_code = "split", 52


class ExpectationError(FarmError):
    """A repaired wheel is not what its recipe says it must be."""

    slug, exit_code = "expectation", 60


class GateTestError(FarmError):
    """A repaired wheel does not install, import or pass its smoke test on a clean machine."""

    slug, exit_code = "test", 61


class SuiteError(FarmError):
    """Tests of the upstream suite fail that are no known failures, or the suite does not come to its end."""

    slug, exit_code = "suite", 62
