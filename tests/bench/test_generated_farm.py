"""The generated farms of the benchmark: the same each time, without errors, of the shape that they claim."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.farm import make_toolchain
from wheelfarm.plan.graph import make_plan
from wheelfarm.recipes.recipe_set import RecipeSet, read_recipes

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from wheelfarm.model import Name

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bench"))
bench: Any = import_module("generated_farm")


def test_a_farm_is_the_same_each_time() -> None:
    assert bench.generate(60) == bench.generate(60)


def test_recipes_need_earlier_ones_in_long_paths() -> None:
    depth: dict[str, int] = {}
    for each in bench.generate(498):
        needed = {*each.host, *each.run}
        assert needed <= depth.keys()
        depth[each.name] = 1 + max((depth[name] for name in needed), default=0)
    assert max(depth.values()) > 10
    assert sum(each.pure for each in bench.generate(498)) > 0


def test_a_generated_farm_has_no_errors_in_any_variant(tmp_path: Path) -> None:
    settings = bench.generated_farm(tmp_path, 40)
    recipes = read_recipes(settings)
    recipes.check()
    for variant in settings.variants:
        plan = make_plan(
            recipes, settings=settings, names=None, variant=variant, toolchains=[make_toolchain()]
        )
        plan.check()
        assert len(plan.builds) == len(recipes.by_name)


def test_recipes_are_not_compared_with_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, count, real = bench.generated_farm(tmp_path, 40), 0, RecipeSet.run_closure

    def counting(recipes: RecipeSet, names: Iterable[str]) -> tuple[Name, ...]:
        nonlocal count
        count += 1
        return real(recipes, names)

    monkeypatch.setattr(RecipeSet, "run_closure", counting)
    recipes = read_recipes(settings)
    make_plan(recipes, settings=settings, names=None, variant="openblas", toolchains=[make_toolchain()])
    # Two for the builds of each recipe, and two for its locks.
    assert count <= 4 * len(recipes.by_name)
