"""inv graph as one types it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.farm import write_farm

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def farm(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    recipes = {"base": {}, "top": {"requires": {"run": ["base"]}}}
    return Door(write_farm(tmp_path / "farm", recipes), capsys, monkeypatch)


def test_the_forms_of_a_graph(farm: Door) -> None:
    assert farm.inv("graph", "all").stdout == "top 1.0\n└── base 1.0 (run)\n"
    assert farm.inv("graph", "--why", "base").stdout == "base 1.0\n└── top 1.0 (run)\n"
    assert farm.inv("graph", "all", "--dot").stdout.startswith("digraph recipes {\n")
    assert farm.inv("graph", "all", "--mermaid").stdout.startswith("flowchart LR\n")
    assert farm.inv("graph", "all", "--svg").stdout.startswith("<svg ")
    answer = json.loads(farm.inv("graph", "setuptools", "--why", "--json").stdout)
    assert {each["needer"] for each in answer["edges"]} == {"base", "top"}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["all", "--dot", "--json"], "--dot and --json exclude each other"),
        (["tpo"], "did you mean 'top'?"),
        (["nothing", "--why"], "neither a recipe nor a lock has nothing"),
    ],
)
def test_what_is_wrong_is_said(words: list[str], text: str, farm: Door) -> None:
    finished = farm.inv("graph", *words)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert text in finished.stderr
