"""The page: valid, self-contained, escaped, the same bytes each time, and honest about what is missing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from support.markup import Page
from support.records import sample_record
from support.surveyed import MEGABYTE, TAG, Stock
from support.wheels import make_wheel
from wheelfarm.errors import SourceError
from wheelfarm.model import AppliedPatch, CacheUse, Digest
from wheelfarm.report.page.html import cache_share, change, history, render_page, round_size
from wheelfarm.report.survey import PublicWheels
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.wheels.archive import Wheel

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&"


def page(stock: Stock, **options: object) -> Page:
    return read(render_page(stock.survey(**options)))  # type: ignore[arg-type]


def read(text: str) -> Page:
    """A page that has no fault, and nothing that is fetched, run or jumped to in vain."""
    found = Page.read(text)
    assert found.faults == []
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    assert len(found.ids) == len(set(found.ids))
    assert found.of("script") == found.of("link") == found.of("img") == found.of("iframe") == []
    for element in found.elements:
        assert not {"src", "srcset", "action", "ping"} & set(element.attributes)
        assert not any(name.startswith("on") for name in element.attributes)
        if "href" in element.attributes:
            assert element.attributes["href"].removeprefix("#") in found.ids
        for name in ("aria-labelledby", "aria-describedby"):
            assert set(element.attributes.get(name, "").split()) <= set(found.ids)
        if element.name == "th":
            assert element.attributes["scope"] in {"row", "col"}
        if "overflow" in element.attributes.get("class", "") or element.attributes.get("class") == "scroll":
            # What scrolls can be reached with the keyboard, and says what it is.
            assert element.attributes["tabindex"] == "0"
            assert element.attributes["aria-label"]
        if element.name == "table":
            assert element.around
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    return found


class TestWhole:
    def test_each_wheel_has_its_row_its_node_and_its_part(self, three: Stock) -> None:
        found = page(three)
        anchors = [f"openblas-{name}-1.0-{TAG}" for name in ("base", "middle", "top")]
        assert set(anchors) <= set(found.ids)
        for anchor in anchors:
            links = [each for each in found.of("a") if each.attributes["href"] == f"#{anchor}"]
            assert {"svg", "table", "ol"} <= {name for link in links for name in link.around}
        assert "Variant openblas" in found.words
        assert len([each for each in found.of("path") if each.attributes["class"] == "edge"]) == 3
        assert "top on middle" in found.words
        assert "gate passed" in found.words.lower()

    def test_all_of_a_record_is_there(self, three: Stock) -> None:
        words = page(three).words
        record = three.find("base").record
        assert record is not None
        for value in (
            *(patch.file for patch in record.patches),
            *(each.version for each in record.build_requirements),
            *record.toolchain.values(),
            *record.environment.values(),
            *(value for values in record.config_settings.values() for value in values),
            record.source.sha256,
            record.key,
        ):
            assert value in words

    def test_the_same_bytes_each_time(self, three: Stock, chained: Stock) -> None:
        assert render_page(three.survey()) == render_page(three.survey())
        # Another directory, and so other paths, make no difference.
        assert render_page(three.survey()) == render_page(chained.survey())
        assert str(three.root) not in render_page(three.survey())

    def test_nothing_is_allowed_to_be_fetched_or_run(self, three: Stock) -> None:
        metas = [each.attributes for each in page(three).of("meta")]
        policy = next(each["content"] for each in metas if each.get("http-equiv"))
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
        assert {"name": "color-scheme", "content": "light dark"} in metas

    def test_landmarks_and_one_heading_of_the_first_order(self, three: Stock) -> None:
        found = page(three)
        for name in ("main", "nav", "h1"):
            assert len(found.of(name)) == 1
        levels = [int(each.name[1]) for each in found.elements if re.fullmatch("h[1-6]", each.name)]
        assert all(after - before <= 1 for before, after in pairwise(levels))

    def test_several_variants(self, stock: Stock) -> None:
        stock.add("demo")
        stock.add("demo", variant="reference")
        found = page(stock)
        assert {"openblas", "reference"} <= set(found.ids)
        assert [each.attributes["href"] for each in found.of("a") if "nav" in each.around] == [
            "#openblas",
            "#reference",
        ]

    def test_several_wheels_of_one_recipe_and_free_columns_of_the_gate(self, stock: Stock) -> None:
        results = (
            {"check": "imports", "expected": "scipy", "found": "scipy", "python": "3.13"},
            "as it should be",
        )
        stock.add("scipy-tests", recipe="scipy", gate_results=results, times={"build": 600.0})
        stock.add("scipy", times={"build": 600.0})
        stock.add("scipy-more", recipe="scipy", times={"build": 600.0})
        words = page(stock).words
        assert "recipe scipy" in words
        # All three came of one build, whose time counts once.
        assert "Last builds 10 min 00 s" in words
        assert "Check Expected Found Python imports scipy scipy 3.13" in words
        assert "as it should be" in words


class TestEscaping:
    def test_nothing_in_a_record_becomes_markup(self, stock: Stock) -> None:
        record = sample_record()
        stock.add(
            "demo",
            environment={EVIL: EVIL},
            toolchain={EVIL: EVIL},
            config_settings={EVIL: (EVIL,)},
            gate_results=({"check": EVIL, "expected": EVIL, "found": EVIL, EVIL: EVIL}, EVIL),
            times={EVIL: 1.0},
            source=record.source.model_copy(update={"filename": EVIL}),
            patches=(AppliedPatch(file=EVIL, sha256=Digest("d" * 64)),),
            build_requirements=tuple(replace(each, version=EVIL) for each in record.build_requirements),
            compiler_cache=CacheUse(hits=0, misses=1, missed=(EVIL,)),
            resolved={"description": EVIL},
            files={f"demo/{EVIL.replace('/', '')}.py": "x"},
        )
        text = render_page(stock.survey())
        assert "<script" not in text
        assert "<img" not in text
        assert EVIL in read(text).words

    def test_nothing_in_a_damaged_record_becomes_markup(self, chained: Stock) -> None:
        chained.record_of(chained.wheels["base"]).write_text(EVIL)
        chained.record_of(chained.wheels["top"]).write_text('{"' + EVIL.replace('"', "") + '": 1}')
        text = render_page(chained.survey())
        assert "<script" not in text
        assert EVIL in read(text).words

    def test_nothing_that_an_index_answers_becomes_markup(self, three: Stock) -> None:
        def ask(*_: object) -> Wheel:
            raise SourceError(EVIL)

        found = page(three, public=PublicWheels(ask))
        assert f"No public wheel to compare with: {EVIL}." in found.words


class TestHonest:
    def test_an_empty_wheelhouse(self, stock: Stock) -> None:
        assert "The wheelhouse is empty." in page(stock).words

    def test_a_variant_without_wheels(self, stock: Stock) -> None:
        words = read(render_page(stock.survey("openblas"))).words
        assert "The index of this variant lists no wheel" in words

    def test_a_record_that_cannot_be_read(self, chained: Stock) -> None:
        chained.record_of(chained.wheels["base"]).write_text("{")
        words = page(chained).words
        assert "1 problem" in words
        assert "the record is not JSON" in words
        assert "1 unproved" in words

    def test_a_missing_wheel_and_its_record(self, chained: Stock) -> None:
        base = chained.wheels["base"]
        base.path.unlink()
        assert "the wheel is missing" in page(chained).words
        chained.record_of(base).unlink()
        words = page(chained).words
        assert "2 problems" in words
        assert "missing: base" in words

    def test_a_damaged_page_of_the_index(self, chained: Stock) -> None:
        for name in ("base", "middle", "top"):
            (chained.wheelhouse.root / "openblas" / "simple" / name / "index.json").write_text("{}")
        words = page(chained).words
        assert "3 problems" in words
        assert "lists no wheel that can be read" in words

    def test_an_upstream_wheel_that_is_gone(self, chained: Stock) -> None:
        chained.add("base", files={"base.py": "other"}, key="later")
        found = page(chained)
        assert "middle on base" in found.words
        assert "which the index does not list" in found.words
        gone = [each for each in found.of("path") if each.attributes.get("class") == "edge gone"]
        assert len(gone) == 2

    def test_why_public_wheels_are_left_out(self, three: Stock) -> None:
        assert "Public wheels are left out: --no-public." in page(three).words


class TestNumbers:
    def test_beside_the_public_wheel(self, stock: Stock, tmp_path: Path) -> None:
        stock.add("demo", files={"demo.py": "x" * 60_000})
        public = make_wheel(
            tmp_path, files={"demo.py": "x" * 60_000, "tests/test_a.py": "y" * 60_000}, tag=TAG
        )
        found = page(stock, public=PublicWheels(lambda *_: open_wheel(public)))
        assert "tests 0 0 60.0 kB \N{MINUS SIGN}100" in found.words
        bars = [each for each in found.of("span") if each.attributes.get("class") == "bar"]
        assert [bar.attributes["role"] for bar in bars] == ["img", "img"]
        assert bars[1].attributes["aria-label"].startswith("Python 60.0 kB, tests 60.0 kB, metadata ")

    def test_against_the_limit(self, three: Stock) -> None:
        assert "Of 250 MB" in page(three).words
        assert "over by" not in page(three).words
        words = page(three, limit=5000).words
        assert "Of 5 kB" in words
        assert "over by" in words
        (row,) = re.findall(r"Needs besides Target (.*?) Each wheel", page(three, packages=["middle"]).words)
        assert row.startswith("middle with base ")
        assert row.endswith(" % \N{EN DASH} elsewhere cp312-manylinux_x86_64")

    def test_a_build_without_a_cache_and_one_from_nothing(self, stock: Stock) -> None:
        stock.add("demo", compiler_cache=None, build_cache=False, patches=(), build_requirements=(), times={})
        words = page(stock).words
        assert "No compiler cache." in words
        assert "built from nothing" in words

    @pytest.mark.parametrize(
        ("ours", "theirs", "text"),
        [
            (75, 100, "\N{MINUS SIGN}25\xa0%"),
            (120, 100, "+20\xa0%"),
            (100, 100, "±0\xa0%"),
            (5, 0, "new"),
            (0, 0, ""),
        ],
    )
    def test_a_change(self, ours: int, theirs: int, text: str) -> None:
        assert change(ours, theirs) == text

    def test_a_size_that_somebody_chose(self) -> None:
        assert round_size(250 * MEGABYTE) == "250 MB"
        assert round_size(1_500_000) == "1.5 MB"

    def test_sizes_over_time(self, stock: Stock) -> None:
        """All builds, newest first, each with its change since the one before, whichever is listed."""
        sizes = {0: 1_000_000, 1: 1_012_000, 2: 1_012_000, 3: 506_000}
        for hour, size in sizes.items():
            finished = datetime(2026, 1, 1, hour, tzinfo=UTC)
            stock.add("demo", f"1.{hour}", key=str(hour), finished=finished, sizes={"python": size})
        wheel = next(each for each in stock.survey().variants[0].wheels if each.file.version == "1.1")
        rows = [(row["record"].version, row["unpacked"], row["unpacked_change"]) for row in history(wheel)]
        assert rows == [
            ("1.3", 506_000, "\N{MINUS SIGN}50.0%"),
            ("1.2", 1_012_000, ""),
            ("1.1", 1_012_000, "+1.2%"),
            ("1.0", 1_000_000, ""),
        ]
        page = render_page(stock.survey())
        assert "Sizes over time: 3 other builds" in page
        assert "<td>this wheel</td>" in page

    def test_the_share_of_the_cache(self) -> None:
        assert cache_share(None) == "not used"
        assert cache_share(CacheUse(hits=0, misses=0)) == "\N{EN DASH}"
        assert cache_share(CacheUse(hits=3, misses=1)) == "75\xa0%"
