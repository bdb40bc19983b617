"""A library that the repair leaves to another wheel: proposed, proved, and refused where it is not found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.linked import LIBRARY, PATH_TO_IT, linked_farm
from support.tiny import run_farm
from wheelfarm.provenance.sbom_reader import vendored_members
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.errors import FarmError

pytestmark = pytest.mark.slow

LINE = '[repair] exclude = ["libcore.so.*"] in recipes/coreb/recipe.toml leaves libcore.so.2 to corea'


def error_of(root: Path, **words: Any) -> FarmError:
    run = run_farm(linked_farm(root, **words))
    assert run.states == {"corea": "built", "coreb": "failed"}, str(run.outcomes["coreb"].error)
    return run.error("coreb")


def test_it_stays_out_and_is_found_beside(tmp_path: Path) -> None:
    run = run_farm(linked_farm(tmp_path))
    assert run.states == {"corea": "built", "coreb": "built"}, str(run.outcomes["coreb"].error)
    wheel = open_wheel(run.wheel("coreb"))
    assert not [name for name in wheel.names if "libcore" in name]
    (ext,) = linkage(wheel)
    assert (LIBRARY in ext.needed, ext.rpaths) == (True, (PATH_TO_IT,))
    record = run.record("coreb")
    assert record.inputs is not None
    assert record.inputs.repair_exclude == ("libcore.so.*",)
    (result,) = (each for each in record.gate_results if each["check"] == "repair.exclude")
    assert result["found"] == "all do"


def test_without_the_line_the_farm_proposes_it(tmp_path: Path) -> None:
    nothing: dict[str, Any] = {"repair": None}
    run = run_farm(linked_farm(tmp_path / "copied", recipe=nothing, path="absolute"))
    assert run.states == {"corea": "built", "coreb": "built"}, str(run.outcomes["coreb"].error)
    assert len(vendored_members(open_wheel(run.wheel("coreb")))) == 1
    (warning,) = run.outcomes["coreb"].warnings
    assert LINE in warning
    error = error_of(tmp_path / "lost", recipe=nothing, path="")
    assert (error.slug, error.hint and error.hint.startswith(LINE)) == ("repair", True)


@pytest.mark.parametrize("path", ["", "absolute", "$ORIGIN/lib"])
def test_the_farm_adds_the_way_to_it(tmp_path: Path, path: str) -> None:
    run = run_farm(linked_farm(tmp_path, path=path))
    assert run.states == {"corea": "built", "coreb": "built"}, str(run.outcomes["coreb"].error)
    (ext,) = linkage(open_wheel(run.wheel("coreb")))
    assert ext.rpaths == (*([path] if path.startswith("$") else []), PATH_TO_IT)


def test_a_glob_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    recipe = {"repair": {"exclude": ["libcore.so.*", "libnone.so*"]}}
    error = error_of(tmp_path, recipe=recipe)
    assert (
        "repair.exclude: expected each matches a needed library, found nothing for libnone.so*" in error.what
    )
