"""The farm's tasks: `inv -l` lists them, `inv --help TASK` shows the options of one."""

from invoke.collection import Collection
from invoke.main import program

from wheelfarm.cli import ci, index, recipe, wheel
from wheelfarm.cli.build import chain, clean, explain, plan, why
from wheelfarm.cli.program import adopt
from wheelfarm.cli.stored import report, reproduce, run_tests

namespace = Collection(
    *(chain, plan, explain, why, run_tests, reproduce, report, clean),
    recipe,
    wheel,
    index,
    ci,
)
# `inv` itself cannot say what was meant by a word that it does not know.
adopt(program)
