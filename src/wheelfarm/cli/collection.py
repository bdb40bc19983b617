"""The collection of tasks, as `inv -l` shows it."""

from __future__ import annotations

from invoke.collection import Collection

from wheelfarm.cli import (
    chain,
    ci,
    compare,
    consume,
    explain,
    index,
    recipe,
    report,
    suite,
    wheel,
)
from wheelfarm.cli import (
    clean as space,
)
from wheelfarm.cli import (
    reproduce as rebuild,
)


def collection() -> Collection:
    """All tasks of a farm."""
    tasks = Collection(chain.chain, chain.plan, explain.explain, explain.why, suite.run_tests)
    single = (
        wheel.inspect,
        wheel.repair,
        wheel.gate,
        compare.diff,
        rebuild.rebuild,
        report.report,
        space.clean,
    )
    for task in single:
        tasks.add_task(task)
    recipes = Collection("recipe")
    for task in (recipe.list_recipes, recipe.check, recipe.lock, recipe.schema):
        recipes.add_task(task)
    tasks.add_collection(recipes)
    indexes = Collection("index")
    for task in (index.publish, index.status, index.verify, index.yank, index.prune):
        indexes.add_task(task)
    for task in (consume.serve, consume.config):
        indexes.add_task(task)
    tasks.add_collection(indexes)
    tasks.add_task(consume.lock)
    workflow = Collection("ci", ci.render, ci.check)
    tasks.add_collection(workflow)
    return tasks
