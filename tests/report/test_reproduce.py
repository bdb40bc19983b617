"""What is said of wheels that are built again."""

from __future__ import annotations

from wheelfarm.report.wheel import preparation_lines, rebuilt_lines


def test_the_same_bytes() -> None:
    told = {"identical": True, "id": "alpha (plain)", "wheel": "alpha.whl", "before": "a1"}
    assert list(rebuilt_lines(told)) == ["identical: alpha (plain): alpha.whl", "  sha256 a1, twice"]


def test_other_bytes() -> None:
    told = {
        "identical": False,
        "id": "alpha (plain)",
        "wheel": "alpha.whl",
        "before": "a1",
        "after": "b2",
        "inputs": {"toolchain.ld": {"before": "2.40", "after": None}},
        "difference": {"before": "alpha.whl", "after": "x/alpha.whl", "archive": {"order": True}},
    }
    assert list(rebuilt_lines(told)) == [
        "other bytes: alpha (plain): alpha.whl",
        "  sha256 a1 then, b2 now",
        "  input toolchain.ld: 2.40 -> none",
        "--- alpha.whl",
        "+++ x/alpha.whl",
        "archive: the members stand in another order",
    ]


def test_what_would_be_built() -> None:
    told: dict[str, object] = dict.fromkeys(("id", "key", "engine", "place", "source"), "x")
    told |= {"patches": [], "requirements": ["a==1", "b==2"], "upstream": []}
    told["wheels"] = {"a.whl": "1", "b.whl": "2"}
    assert list(preparation_lines(told)) == [
        "x: a.whl, b.whl",
        "  key           x",
        "  engine        x",
        "  place         x",
        "  source        x",
        "  patches       none",
        "  requirements  a==1, b==2",
        "  upstream      none",
    ]
