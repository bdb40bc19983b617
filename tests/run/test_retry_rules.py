"""Which failures are tried again."""

from __future__ import annotations

import pytest

from wheelfarm.build.error_patterns import Failure
from wheelfarm.errors import BuildError, EngineError, FarmError, HashError, NetworkError
from wheelfarm.run.farm import passing
from wheelfarm.sources.urls import offline_error


def build_error(failure: Failure) -> FarmError:
    """A build's error with the class of failure that its log shows."""
    error = BuildError("it failed")
    error.failure = failure
    return error


@pytest.mark.parametrize(
    "error",
    [NetworkError("no answer"), EngineError("the container does not start"), build_error(Failure.NETWORK)],
)
def test_what_may_be_gone_the_next_time(error: FarmError) -> None:
    assert passing(error)


@pytest.mark.parametrize(
    "error",
    [
        offline_error("http://127.0.0.1:9/"),
        BuildError("the compiler broke"),
        HashError("other bytes"),
        *map(build_error, (Failure.COMPILE, Failure.OUT_OF_MEMORY, Failure.TIME_LIMIT)),
    ],
)
def test_what_would_be_the_same(error: FarmError) -> None:
    assert not passing(error)
