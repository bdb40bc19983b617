"""The wheels that the farm publishes, and that they are those that passed the gate."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from support.publishing import publication, publishing_farm, stock, store
from support.raised import only
from wheelfarm.errors import UnprovenError, UsageError
from wheelfarm.index.candidates import find_candidates, verify_candidate
from wheelfarm.index.factory import open_index
from wheelfarm.model import Name
from wheelfarm.run.publication import choose_index_name, named_releases

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.run.farm import Farm


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    """A farm with alpha and beta in its wheelhouse."""
    farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": "public"})
    stock(farm.wheelhouse)
    return farm


def test_the_newest_that_is_not_yanked(farm: Farm) -> None:
    wheelhouse = farm.wheelhouse
    store(wheelhouse, "alpha", "2.0")
    store(wheelhouse, "alpha", "3.0")
    wheelhouse.yank("plain", Name("alpha"), lambda file: file.version == "3.0", "")
    assert {each.version for each in find_candidates(wheelhouse, "plain") if each.project == "alpha"} == {
        "2.0"
    }
    named = find_candidates(wheelhouse, "plain", {Name("alpha"): "1.0.0"})
    assert {each.version for each in named} == {"1.0"}
    assert "it has 1.0, 2.0" in str(
        only(lambda: find_candidates(wheelhouse, "plain", {Name("alpha"): "9"}), UsageError).why
    )
    only(lambda: find_candidates(wheelhouse, "plain", {Name("nosuch"): None}), UsageError)


def test_a_wheel_of_another_record(farm: Farm) -> None:
    candidate = find_candidates(farm.wheelhouse, "plain")[0]
    record = farm.wheelhouse.root / "plain/records" / f"{candidate.file.key}.json"
    document = json.loads(record.read_text())
    for change in ({"filename": "x-1-py3-none-any.whl"}, {"sha256": "0" * 64}):
        record.write_text(json.dumps(document | {"wheel": document["wheel"] | change}))
        assert (
            "another wheel" in only(lambda: verify_candidate(farm.wheelhouse, candidate), UnprovenError).what
        )
    record.write_text(json.dumps(document | {"gate_results": []}))
    assert (
        "has not passed its gate"
        in only(lambda: verify_candidate(farm.wheelhouse, candidate), UnprovenError).what
    )
    record.write_text(json.dumps(document))
    verify_candidate(farm.wheelhouse, candidate)
    candidate.path.write_bytes(candidate.path.read_bytes() + b"\n")
    changed = only(lambda: verify_candidate(farm.wheelhouse, candidate), UnprovenError)
    assert "changed after its gate" in changed.what
    candidate.path.unlink()
    assert "cannot be read" in only(lambda: verify_candidate(farm.wheelhouse, candidate), UnprovenError).what


def test_releases_in_words() -> None:
    assert named_releases(None) is None
    assert named_releases("Scipy==1.17.1, numpy") == {"scipy": "1.17.1", "numpy": None}
    for words in ("scipy>=1", "scipy==1,==2", "scipy[test]", "!", " , ", "scipy==1,<2"):
        only(partial(named_releases, words), UsageError)


def test_which_index(farm: Farm) -> None:
    assert choose_index_name(farm, None) == choose_index_name(farm, "internal") == "internal"
    only(lambda: choose_index_name(farm, "other"), UsageError)
    assert publication(farm).owned == {"alpha", "beta"}
    only(
        lambda: open_index("nosuch", farm.settings, "plain", wheelhouse=farm.wheelhouse),
        UsageError,
    )
