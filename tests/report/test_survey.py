"""What is found in a wheelhouse: whole, broken in each way, and beside the public wheels."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from support.records import sample_record
from support.surveyed import MEGABYTE, TAG, TARGET, Stock
from support.wheels import make_wheel
from wheelfarm.errors import NetworkError, SourceError
from wheelfarm.model import CacheUse
from wheelfarm.provenance.record import Record
from wheelfarm.report.survey import PublicWheels, glibc_for
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.description import describe

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.model import Name, Target
    from wheelfarm.wheels.archive import Wheel


def only(stock: Stock, **options: Any) -> Any:
    (variant,) = stock.survey(**options).variants
    return variant


class TestWhole:
    def test_each_wheel_with_its_record_and_content(self, three: Stock) -> None:
        base = three.wheels["base"]
        variant = only(three)
        assert [wheel.name for wheel in variant.wheels] == ["base", "middle", "top"]
        found = variant.wheels[0]
        assert found.record == Record.from_json(found.document, "")
        assert (found.file.version, found.target, found.file.sha256) == ("1.0", TARGET, base.sha256)
        assert found.problems == ()
        assert found.file.size == base.path.stat().st_size
        assert found.unpacked == open_wheel(base.path).unpacked
        assert found.content is not None
        assert found.content == describe(open_wheel(base.path))
        assert found.seconds == 1182.5
        assert variant.problem_count == 0

    def test_edges_come_from_digests(self, three: Stock) -> None:
        base, middle, top = (wheel.anchor for wheel in only(three).wheels)
        edges = {(edge.upstream, edge.wheel) for edge in only(three).edges}
        assert edges == {(base, middle), (base, top), (middle, top)}

    def test_an_upstream_wheel_that_the_index_no_longer_lists(self, chained: Stock) -> None:
        base = chained.wheels["base"]
        chained.add("base", files={"base.py": "other"}, key="later")
        edges = [edge for edge in only(chained).edges if edge.name == "base"]
        assert [(edge.upstream, edge.sha256) for edge in edges] == [(None, base.sha256)] * 2

    def test_several_wheels_of_one_recipe(self, stock: Stock) -> None:
        stock.add("scipy")
        stock.add("scipy-tests", recipe="scipy", gate_results=({"check": "a", "python": "3.13"},))
        found = only(stock).wheels
        assert [(each.name, each.record.recipe) for each in found] == [
            ("scipy", "scipy"),
            ("scipy-tests", "scipy"),
        ]
        # Neither is an earlier build of the other.
        assert [each.past for each in found] == [(), ()]

    def test_earlier_builds_newest_first(self, stock: Stock) -> None:
        times = {"old": 1, "older": 0, "now": 2}
        for key, hour in times.items():
            stock.add("demo", key=key, finished=datetime(2026, 1, 1, hour, tzinfo=UTC))
        past = stock.find("demo").past
        assert [each.finished.hour for each in past] == [1, 0]
        assert past[0].compiler_cache == CacheUse(hits=1900, misses=3, missed=("a.c", "b.c", "c.c"))
        assert past[0].wheel.sha256 == stock.find("demo").file.sha256

    def test_data_of_other_builds_has_their_sizes(self, stock: Stock) -> None:
        for hour, size in enumerate((1000, 2000)):
            finished = datetime(2026, 1, 1, hour, tzinfo=UTC)
            stock.add("demo", key=str(hour), finished=finished, sizes={"python": size, "data": 1})
        (variant,) = json.loads(json.dumps(stock.survey().as_data()))["variants"]
        (past,) = variant["wheels"][0]["past"]
        assert past.keys() == {"key", "version", "finished", "packed", "unpacked"}
        assert (past["unpacked"], past["packed"]) == (1001, stock.find("demo").past[0].wheel.size)

    def test_it_is_data_that_json_can_hold(self, three: Stock) -> None:
        data = json.loads(json.dumps(three.survey().as_data()))
        (variant,) = data["variants"]
        assert variant["wheels"][0]["record"]["target"] == TARGET
        assert "document" not in variant["wheels"][0]
        assert data["limit"] == 250 * MEGABYTE

    def test_an_empty_wheelhouse_and_an_empty_variant(self, stock: Stock) -> None:
        assert stock.survey().variants == ()
        (variant,) = stock.survey("openblas").variants
        assert (variant.wheels, variant.sets, variant.problems) == ((), (), ())


class TestSets:
    def test_each_with_what_it_needs_and_all(self, three: Stock) -> None:
        variant = only(three)
        sizes = {wheel.name: wheel.unpacked for wheel in variant.wheels}
        sets = [(each.requested, each.names, each.outside) for each in variant.sets]
        assert sets == [
            (("base",), ("base",), ()),
            (("middle",), ("base", "middle"), ("elsewhere",)),
            # What an extra needs is one's own choice.
            (("top",), ("base", "middle", "top"), ("elsewhere",)),
            ((), ("base", "middle", "top"), ("elsewhere",)),
        ]
        assert variant.sets[1].unpacked == sizes["base"] + sizes["middle"]
        assert variant.sets[1].public is None

    def test_a_chosen_set(self, three: Stock) -> None:
        (chosen,) = only(three, packages=["middle", "nowhere"]).sets
        assert (chosen.requested, chosen.names) == (("middle", "nowhere"), ("base", "middle"))
        assert chosen.missing == ("nowhere",)
        assert chosen.outside == ("elsewhere",)

    def test_the_newest_version_counts(self, stock: Stock) -> None:
        for version, text in (("1.9", "x" * 500), ("1.10", "x")):
            stock.add("demo", version, files={"demo.py": text})
        (alone,) = only(stock).sets
        newest = next(each for each in only(stock).wheels if each.file.version == "1.10")
        assert alone.unpacked == newest.unpacked

    def test_a_wheel_whose_size_nobody_knows(self, stock: Stock) -> None:
        stored = stock.add("demo")
        stored.path.unlink()
        stock.record_of(stored).unlink()
        (alone,) = only(stock).sets
        assert (alone.unpacked, alone.missing) == (0, ("demo",))


class TestBroken:
    """The survey reports each fault with its wheel, and reads the other wheels all the same."""

    def problems_of_base(self, stock: Stock) -> str:
        variant = only(stock)
        others = [wheel for wheel in variant.wheels if wheel.name != "base"]
        assert [len(wheel.problems) for wheel in others] == [0, 0]
        assert all(wheel.content for wheel in others)
        problems = stock.find("base").problems
        assert variant.problem_count == len(problems)
        return "; ".join(f"{each.what}: {each.why}" for each in problems)

    def test_a_missing_wheel(self, chained: Stock) -> None:
        chained.wheels["base"].path.unlink()
        assert self.problems_of_base(chained) == "the wheel is missing: None"
        # Its record still knows its size.
        assert chained.find("base").unpacked == sum(sample_record().sizes.values())

    def test_a_wheel_with_other_bytes(self, chained: Stock) -> None:
        base = chained.wheels["base"]
        base.path.write_bytes(b"x" * base.path.stat().st_size)
        assert "its sha256 is not the one" in self.problems_of_base(chained)

    def test_a_wheel_with_a_binary_that_is_none(self, stock: Stock) -> None:
        stock.add("demo", files={"demo.so": b"\x7fELF not really"})
        found = stock.find("demo")
        assert found.content is None
        assert [problem.what for problem in found.problems] == ["this elf binary cannot be read"]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (b"{", "the record is not JSON"),
            (b"{}", "recipe: missing"),
            (b'{"schema": 99}', "its schema is 99; this wheelfarm reads up to 4"),
            (b"\xff", "is not UTF-8: invalid start byte: 0xff"),
            (None, "the record cannot be read: No such file"),
        ],
    )
    def test_a_record_that_cannot_be_read(self, chained: Stock, text: bytes | None, problem: str) -> None:
        file = chained.record_of(chained.wheels["base"])
        if text is None:
            file.unlink()
        else:
            file.write_bytes(text)
        assert problem in self.problems_of_base(chained)
        found = chained.find("base")
        readable = text.decode(errors="ignore") if text else ""
        assert (found.record, found.document, found.seconds) == (None, readable, None)
        assert found.target == TARGET
        assert found.content is not None

    def test_a_record_of_another_wheel(self, chained: Stock) -> None:
        base, middle = chained.wheels["base"], chained.wheels["middle"]
        chained.record_of(base).write_text(chained.record_of(middle).read_text())
        assert "describes another wheel" in self.problems_of_base(chained)

    def test_a_damaged_page(self, chained: Stock) -> None:
        (chained.wheelhouse.root / "openblas" / "simple" / "base" / "index.json").write_text("{}")
        variant = only(chained)
        assert [wheel.name for wheel in variant.wheels] == ["middle", "top"]
        assert [problem.what for problem in variant.problems] == ["the index page of base is damaged"]
        assert variant.problem_count == 1

    def test_the_data_name_no_path_of_this_machine(self, chained: Stock) -> None:
        base, middle, top = chained.wheels.values()
        base.path.unlink()
        chained.record_of(middle).unlink()
        top.path.write_bytes(b"")
        variant = only(chained)
        assert variant.problem_count == 3
        assert str(chained.root) not in json.dumps(chained.survey().as_data())


class TestPublic:
    def test_the_wheel_of_the_same_version_and_target(self, stock: Stock, tmp_path: Path) -> None:
        stock.add("demo", files={"demo.py": "x" * 100})
        public = make_wheel(tmp_path, "demo", files={"demo.py": "x" * 300}, tag=TAG)
        requests = []

        def ask(name: Name, version: str, target: Target, glibc: tuple[int, int]) -> Wheel:
            requests.append((name, version, str(target), glibc))
            return open_wheel(public)

        (found,) = only(stock, public=PublicWheels(ask)).wheels
        assert requests == [("demo", "1.0", TARGET, (2, 35))]
        assert found.public == describe(open_wheel(public))
        (alone,) = only(stock, public=PublicWheels(ask)).sets
        assert alone.public == open_wheel(public).unpacked

    def test_an_index_without_that_wheel(self, three: Stock) -> None:

        def ask(name: Name, *_: object) -> Wheel:
            raise SourceError(f"no {name} there")

        reasons = [wheel.no_public for wheel in only(three, public=PublicWheels(ask)).wheels]
        assert reasons == ["no base there", "no middle there", "no top there"]

    def test_a_network_error_ends_all_requests(self, three: Stock) -> None:
        requests = []

        def ask(name: Name, *_: object) -> Wheel:
            requests.append(name)
            raise NetworkError("no answer")

        reasons = {wheel.no_public for wheel in only(three, public=PublicWheels(ask)).wheels}
        assert reasons == {"the index cannot be reached: no answer"}
        assert requests == ["base"]

    @pytest.mark.parametrize(
        ("tag", "target"),
        [
            (TAG, TARGET),
            ("cp311-cp311-manylinux2014_aarch64", "cp311-manylinux_aarch64"),
            ("cp313-cp313t-musllinux_1_2_x86_64", "cp313t-musllinux_x86_64"),
            ("cp312-abi3-macosx_11_0_arm64", "cp312-macosx_arm64"),
            ("cp312-cp312-win_amd64", "cp312-win_amd64"),
            ("cp312-cp312-win32", "cp312-win32"),
            ("py3-none-any", None),
        ],
    )
    def test_without_a_record_the_tags_tell_the_target(
        self, stock: Stock, tag: str, target: str | None
    ) -> None:
        stock.record_of(stock.add("demo", tag=tag)).unlink()
        requests = []

        def ask(_name: Name, _version: str, target: Target, *_: object) -> Wheel:
            requests.append(str(target))
            raise SourceError("none there")

        found = stock.find("demo", public=PublicWheels(ask))
        assert requests == ([target] if target else [])
        assert found.target == (target or tag)
        assert found.no_public

    @pytest.mark.parametrize(
        ("filename", "glibc"),
        [
            ("a-1-cp311-cp311-manylinux_2_35_x86_64.whl", (2, 35)),
            ("a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", (2, 28)),
            ("a-1-cp311-cp311-manylinux_3_1_x86_64.whl", (3, 1)),
            ("a-1-cp311-cp311-win_amd64.whl", (2, 28)),
        ],
    )
    def test_the_glibc_of_the_machines_that_ours_is_for(self, filename: str, glibc: tuple[int, int]) -> None:
        assert glibc_for(filename) == glibc
