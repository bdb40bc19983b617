"""Archives that no packer writes: each is refused as an archive, soon, and leaves nothing."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from support.archives import Entry, fetched, hardlink, make_tar, symlink
from support.hostile_archives import HOSTILE, NUL, file, pax
from wheelfarm.errors import ArchiveError, FarmError, GroupError
from wheelfarm.model import Limits
from wheelfarm.sources.unpacking import unpack

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("content", "why"), HOSTILE.values(), ids=HOSTILE)
def test_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(content)
    started = time.process_time()
    with pytest.raises(FarmError) as caught:
        unpack(fetched(tmp_path / "bad"), tmp_path / "into")
    assert time.process_time() - started < 5
    errors = caught.value.errors if isinstance(caught.value, GroupError) else (caught.value,)
    assert {error.slug for error in errors} == {"archive"}
    assert re.search(why, " ".join(str(error.why) for error in errors))
    assert all(line.isprintable() for line in caught.value.lines())
    assert [path.name for path in tmp_path.iterdir()] == ["bad"]


@pytest.mark.parametrize("spelling", ["p/big", "./p/big", "p//big", "p/./big"])
def test_the_limit_counts_hard_links_under_any_spelling(spelling: str, tmp_path: Path) -> None:
    links = [hardlink(f"p/{number}", spelling) for number in range(3)]
    source = fetched(make_tar(tmp_path / "t", [Entry("p/big", b"x" * 1000), *links]))
    top = unpack(source, tmp_path / "into", Limits(unpacked=4000))
    assert {path.read_bytes() for path in top.iterdir()} == {b"x" * 1000}
    with pytest.raises(ArchiveError, match="4,000 bytes or more"):
        unpack(source, tmp_path / "other", Limits(unpacked=3999))


def test_the_limit_counts_directories_that_no_member_names(tmp_path: Path) -> None:
    source = fetched(make_tar(tmp_path / "t", [Entry(f"{number}/a/b/c/d/x") for number in range(9)]))
    with pytest.raises(ArchiveError, match="more than 53 members"):
        unpack(source, tmp_path / "into", Limits(members=53))


@pytest.mark.parametrize("time_", ["nan", "-inf", "inf", "1e400"])
def test_a_time_that_is_no_number(time_: str, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(pax({"mtime": time_}) + file(b"p/x") + NUL + NUL)
    assert (unpack(fetched(tmp_path / "t"), tmp_path / "into") / "x").stat().st_mtime in {0, 2**32 - 1}


def test_a_long_chain_of_links_takes_no_long_time(tmp_path: Path) -> None:
    links = [symlink(f"p/{number}", str(number + 1)) for number in range(3000)]
    started = time.process_time()
    with pytest.raises(FarmError, match="in a circle"):
        unpack(fetched(make_tar(tmp_path / "t", links)), tmp_path / "into")
    assert time.process_time() - started < 5
