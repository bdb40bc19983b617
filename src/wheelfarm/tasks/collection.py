"""The collection of tasks, as `inv -l` shows it."""

from __future__ import annotations

from invoke.collection import Collection

<<<<<<< HEAD
from wheelfarm.tasks import chain, compare, explain, recipe, report, space, wheel
=======
from wheelfarm.tasks import chain, compare, explain, rebuild, recipe, space, wheel
>>>>>>> 38bab57 (inv rebuild builds a stored wheel again from its record alone; inv diff tells options, sections and lines)


def collection() -> Collection:
    """All tasks of a farm."""
    tasks = Collection(chain.chain, chain.plan, explain.explain, explain.why, chain.gate_again)
<<<<<<< HEAD
    for task in (wheel.inspect, wheel.repair, wheel.gate, compare.diff, report.report, space.clean):
=======
    for task in (wheel.inspect, wheel.repair, wheel.gate, compare.diff, rebuild.rebuild, space.clean):
>>>>>>> 38bab57 (inv rebuild builds a stored wheel again from its record alone; inv diff tells options, sections and lines)
        tasks.add_task(task)
    recipes = Collection("recipe")
    for task in (recipe.list_recipes, recipe.check, recipe.lock, recipe.schema):
        recipes.add_task(task)
    tasks.add_collection(recipes)
    return tasks
