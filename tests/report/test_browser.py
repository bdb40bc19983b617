"""The page in a real browser: nothing sticks out at any width, and every text can be read, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.browser import find_browser, measure
from support.surveyed import chain
from support.wheels import make_wheel
from wheelfarm.report.page.html import render_page
from wheelfarm.report.survey import PublicWheels
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.wheels.archive import Wheel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_browser() is None, reason="no chromium here: see .ci/provision-browser"),
]
WIDTHS = (1400, 768, 480, 390, 320)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with something in every part: whole wheels, broken ones, long names, other versions."""
    root = tmp_path_factory.mktemp("page")
    stock = chain(root)
    stock.add("base", files={"base.py": "other"}, key="later")
    stock.wheels["middle"].path.unlink()
    stock.record_of(stock.wheels["top"]).write_text('{"schema": 99}')
    stock.add("a-name-that-is-longer-than-any-column-should-ever-have-to-be", "1.0.dev20260101+g0123456789")
    stock.add("other", variant="reference")
    below = stock.add("w0", variant="slim")
    for number in range(1, 6):
        below = stock.add(f"w{number}", variant="slim", on=[below])
    public = make_wheel(root, "public", files={"public/tests/test_all.py": "x" * 9000})

    def ask(*_: object) -> Wheel:
        return open_wheel(public)

    file = root / "report.html"
    file.write_text(render_page(stock.survey(limit=1500, public=PublicWheels(ask))), encoding="utf-8")
    return file


def test_it_fits_and_can_be_read_at_every_width_light_and_dark(page: Path, tmp_path: Path) -> None:
    browser = find_browser()
    assert browser
    frames = measure(browser, page, WIDTHS, tmp_path)
    assert [(frame["width"], frame["dark"]) for frame in frames] == [
        (width, dark) for width in WIDTHS for dark in (False, True)
    ]
    for frame in frames:
        assert frame["needs"] <= frame["width"]
        assert frame["wide"] == []
        assert frame["faint"] == []
        # The policy of the page lets its own style in.
        assert frame["styled"] == "650"
        small, _, long = frame["graphs"]
        for graph in (small, long):
            # All of it can be seen, if not at once then by scrolling in its own box.
            assert graph["box"] <= frame["width"]
            assert min(graph["left"], graph["right"]) >= 0
            assert graph["letters"] >= 8
        assert not small["scrolls"]
        assert long["scrolls"]
