"""The example index of a fresh farm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.farm import builds_of, make_farm
from wheelfarm.run.reuse import Published
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("host", "requested"), [("wheels.example.org", False), ("localhost:9", True)])
def test_an_index_with_an_example_host_gets_no_requests(
    tmp_path: Path, host: str, messages: list[str], *, requested: bool
) -> None:
    table = {"kind": "simple-upload", "url": f"http://{host}/", "targets": ["cp311-manylinux_x86_64"]}
    settings = make_farm(tmp_path, settings={"index": {"internal": table}})
    published = Published(settings, Wheelhouse(settings.wheelhouse))
    (build,) = builds_of(settings).values()
    assert published.find(build) is None
    assert bool(messages) == requested
