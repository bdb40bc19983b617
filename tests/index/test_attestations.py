"""The attestations of wheels in a static index, with several publishers at the same time."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from support.publishing import TARGETS, VARIANT, publication, publishing_farm, stock, store
from wheelfarm.index.static import StaticIndex
from wheelfarm.index.storage import Directory
from wheelfarm.model import Name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wheelfarm.run.farm import Farm


def farm_at(root: Path) -> Farm:
    return publishing_farm(root, {"kind": "static", "url": "../public"})


@dataclass(frozen=True)
class Interrupted(Directory):
    """A directory whose publisher is slow at the first statement that it writes."""

    meanwhile: Callable[[], None] = lambda: None

    def write(self, path: str, data: bytes) -> None:
        if path.endswith(".provenance.json"):
            self.meanwhile()
        super().write(path, data)


def test_two_publishers_of_the_same_wheels_with_other_records(tmp_path: Path) -> None:
    first, second = farm_at(tmp_path / "first"), farm_at(tmp_path / "second")
    for farm in (first, second):
        stock(farm.wheelhouse)
    for record in second.wheelhouse.root.glob("*/records/*.json"):
        record.write_text(record.read_text("utf-8").replace("-O2", "-O3"), encoding="utf-8")
    other, begun = threading.Thread(target=lambda: publication(second).publish(None)), threading.Lock()

    def meanwhile() -> None:
        if begun.acquire(blocking=False):  # several statements are written at the same time
            other.start()
            other.join(0.5)  # it comes this far, or waits for its turn

    index = publication(first).index
    assert isinstance(index, StaticIndex)
    storage = Interrupted(tmp_path / "public" / VARIANT, meanwhile=meanwhile)
    slow = publication(first)
    slow.__dict__["index"] = replace(index, storage=storage)
    slow.publish()
    other.join()
    assert {verdict.error for verdict in publication(first).verify(None)} == {None}


def test_an_attestation_is_removed_with_its_wheel(tmp_path: Path) -> None:
    farm, other = (farm_at(tmp_path / name) for name in "ab")
    for target in TARGETS:
        store(farm.wheelhouse, "alpha", target=target)
        store(other.wheelhouse, "alpha", target=target, content="again", inputs_of="")
    publication(farm).publish()
    index = publication(farm).index
    before = index.attestations(Name("alpha"), "1.0").keys()
    names = [each.filename for each in publication(other).publish(next_build=True).to_upload]
    assert len(index.attestations(Name("alpha"), "1.0")) == 4
    index.remove(Name("alpha"), names)
    assert index.attestations(Name("alpha"), "1.0").keys() == before
    beside = [path.name for path in (tmp_path / "public" / VARIANT / "wheels").rglob("*.record.json")]
    assert len(beside) == 2


@pytest.mark.parametrize("sign", [True, False])
def test_an_index_that_nobody_outside_should_hear_of(
    tmp_path: Path,
    log: pytest.LogCaptureFixture,
    sign: bool,  # noqa: FBT001
) -> None:
    """Signing is written down in a public log, so it is not even tried there."""
    table = {"kind": "static", "url": "../public", "sign": sign}
    farm = publishing_farm(tmp_path / "farm", table, environ={"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x"})
    stock(farm.wheelhouse)
    publication(farm).publish(None)
    assert any("statements stay unsigned" in line for line in log.messages) is sign
