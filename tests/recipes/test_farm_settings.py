"""The tables of `[tool.wheelfarm]`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from support.farm import make_farm
from support.raised import only
from wheelfarm.errors import SettingsError
from wheelfarm.model import DEFAULT_LIMITS
from wheelfarm.run.services import make_fetcher

if TYPE_CHECKING:
    from pathlib import Path


def test_limits(tmp_path: Path) -> None:
    assert make_farm(tmp_path / "a").limits.values() == DEFAULT_LIMITS
    farm = make_farm(tmp_path / "b", settings={"limits": {"unpacked": "1.5G", "page-time": 10.0}})
    assert farm.limits.values() == replace(DEFAULT_LIMITS, unpacked=1_500_000_000, page_time=10.0)
    assert make_fetcher(farm).limits == farm.limits.values()
    error = only(lambda: make_farm(tmp_path / "c", settings={"limits": {"unpack": "1G"}}), SettingsError)
    assert (error.what, error.hint) == ("unknown key 'unpack'", "did you mean 'unpacked'?")
