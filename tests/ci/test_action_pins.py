"""Actions by commit: where the commits come from, and what is no pin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.workflows import files_of, workflow_farm
from wheelfarm.ci.action_pins import PINS, Pin, read_pins
from wheelfarm.ci.github import FARM
from wheelfarm.ci.yaml_document import read
from wheelfarm.errors import WorkflowError

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_pins_come_from_the_files(tmp_path: Path) -> None:
    text = files_of(workflow_farm(tmp_path))[FARM]
    assert read_pins({"farm.yml": text}) == dict(PINS)
    bumped = text.replace(PINS["actions/checkout"].commit, COMMIT).replace(
        PINS["actions/checkout"].version, "v9.0.0"
    )
    assert read_pins({"farm.yml": bumped})["actions/checkout"] == Pin(COMMIT, "v9.0.0")
    assert read(bumped)["jobs"]["plan"]["steps"][0]["uses"] == f"actions/checkout@{COMMIT}"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("- uses: actions/checkout@v5", "it has v5, which can be moved"),
        ("  uses: 'actions/checkout@main' # v5.0.0", "it has main, which can be moved"),
        (f"- uses: actions/checkout@{COMMIT}", "it has no version beside its commit"),
        (f"- uses: actions/checkout@{COMMIT[:7]} # v5.0.0", f"it has {COMMIT[:7]}, which can be moved"),
        ("- uses: docker://alpine:3.22", "it has no commit"),
        ("- uses: docker://alpine@sha256:0123", "it has sha256:0123, which can be moved"),
    ],
)
def test_an_action_that_is_not_pinned(line: str, why: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        read_pins({"ci.yml": f"steps:\n  {line}\n"})
    assert caught.value.where == "ci.yml:2"
    assert caught.value.why == why


def test_what_stands_beside_the_caller_is_no_action() -> None:
    assert read_pins({"a.yml": "    uses: ./.github/workflows/b.yml\n"}) == dict(PINS)


def test_an_image_is_pinned_by_its_digest() -> None:
    assert read_pins({"a.yml": f"    - uses: docker://alpine:3.22@sha256:{'0' * 64}\n"}) == dict(PINS)
