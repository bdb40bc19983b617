"""What can go wrong with what is kept: wheelhouse, records, runs, indexes."""

from __future__ import annotations

from wheelfarm.errors.base import FarmError


class WheelhouseError(FarmError):
    """The wheelhouse cannot be written or holds something that is not whole."""

    slug, exit_code = "wheelhouse", 70


class RecordError(FarmError):
    """A build record cannot be read or belongs to a newer farm."""

    slug, exit_code = "record", 71


class ReproductionError(FarmError):
    """A wheel that was built again from its record came out with other bytes."""

    slug, exit_code = "not-reproduced", 73


class ProcessError(FarmError):
    """A program could not be started, failed, or ran out of time."""

    slug, exit_code = "process", 72


class CancelledRunError(FarmError):
    """A program was stopped, or not started, since the run that it belongs to was interrupted."""

    slug, exit_code = "cancelled", 130


class PublishError(FarmError):
    """An index refuses wheels, has trouble of its own, or does not show what was sent to it."""

    slug, exit_code = "publish", 90


class RefusedError(PublishError):
    """A private index has answered otherwise than well."""

    slug, exit_code = "refused", 94
    status = 0
    """The answer's (RFC 9110)."""


class ConflictError(FarmError):
    """The index has a file of that name with other bytes; a published file is never overwritten."""

    slug, exit_code = "conflict", 91


class IncompleteError(FarmError):
    """A release lacks a wheel for a target that the index asks for, or a wheel that it needs."""

    slug, exit_code = "incomplete", 92


class UnprovenError(FarmError):
    """A stored wheel is not what its record says, or has not passed its gate."""

    slug, exit_code = "unproven", 93


class UnverifiedError(FarmError):
    """A wheel in an index is not what its record, its bill of materials or its provenance statement say."""

    slug, exit_code = "unverified", 95


class ChainFailedError(FarmError):
    """At least one of the builds that were asked for is missing at the end of a run."""

    slug, exit_code = "chain-failed", 80
