"""A source that is another version than the recipe says is refused before it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wheelfarm.errors import SourceError
from wheelfarm.model import Digest, FetchedSource, Name
from wheelfarm.sources.unpacking import check_pkg_info

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (None, True),
        ("Metadata-Version: 2.4\nName: Small_Thing\nVersion: 1.0\n\nText\n", True),
        ("Name: small-thing\nVersion: 1.0.0\n", True),
        ("Name: small-thing\nVersion: 1.1\n", False),
        ("Name: other\nVersion: 1.0\n", False),
        ("Name: small-thing\nVersion: new\n", False),
        ("Name: small-thing\n", False),
        ("", False),
    ],
)
def test_name_and_version(tmp_path: Path, text: str | None, *, good: bool) -> None:
    source = FetchedSource(
        name=Name("small-thing"), version="1.0", path=tmp_path / "x.tar.gz", sha256=Digest("a" * 64)
    )
    if text is not None:
        (tmp_path / "PKG-INFO").write_text(text)
    if good:
        check_pkg_info(source, tmp_path)
    else:
        with pytest.raises(SourceError, match=r"small-thing 1\.0 is"):
            check_pkg_info(source, tmp_path)
