"""Wheels whose data shrinks much: the farm does not take its own builds for compression bombs."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Final

import pytest

from support.packages import tinyleaf
from support.tiny import LEAF, run_farm, tiny_farm, tiny_index

if TYPE_CHECKING:
    from pathlib import Path

_DATA: Final = """
import pathlib, struct
here = pathlib.Path(__file__).parent / "tinyleaf"
(here / "zeros.bin").write_bytes(bytes(12 << 20))
(here / "rows.csv").write_bytes(b"2024-01-01,0.0,0.0,nan,station-7\\n" * 400_000)
(here / "sparse.bin").write_bytes(struct.pack("<1500d", 1.5, *[0.0] * 1499) * 1000)
"""
_TABLE: Final = """
const double tinyleaf_table[1 << 21] = {1.0};
"""


@pytest.mark.slow
def test_a_build_with_data_that_shrinks_much_is_stored(tmp_path: Path) -> None:
    source = tinyleaf()
    files = {
        **source,
        "pyproject.toml": source["pyproject.toml"].replace('"include/*.h"', '"*.bin", "*.csv"'),
        "setup.py": _DATA + source["setup.py"],
        "native/ext.c": source["native/ext.c"] + _TABLE,
    }
    run = run_farm(tiny_farm(tmp_path / "farm", tiny_index(tmp_path, tinyleaf=files), LEAF))
    assert run.states == {"tinyleaf": "built"}, run.error("tinyleaf")
    with zipfile.ZipFile(run.wheel("tinyleaf")) as archive:
        large = [info for info in archive.infolist() if info.file_size > 10 << 20]
    assert len(large) == 4
    assert all(info.file_size > 200 * info.compress_size for info in large)
