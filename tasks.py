"""The farm's tasks: `inv -l` lists them, `inv --help TASK` shows the options of one."""

from wheelfarm.system.signals import end_at_signals

# The rest takes a while to import.
end_at_signals()

from invoke.collection import Collection  # noqa: E402
from invoke.main import program  # noqa: E402

from wheelfarm.cli.completion import complete_names  # noqa: E402

# The shell waits for the names of packages.
complete_names(program)

from wheelfarm.cli import ci, deploy, index, patch, recipe, wheel  # noqa: E402
from wheelfarm.cli.build import chain, clean, explain, why  # noqa: E402
from wheelfarm.cli.doctor import doctor  # noqa: E402
from wheelfarm.cli.graph import graph  # noqa: E402
from wheelfarm.cli.init import init  # noqa: E402
from wheelfarm.cli.plan import plan  # noqa: E402
from wheelfarm.cli.program import adopt  # noqa: E402
from wheelfarm.cli.shell import open_shell  # noqa: E402
from wheelfarm.cli.stored import report, reproduce, run_tests  # noqa: E402

namespace = Collection(
    *(chain, plan, explain, why, graph, open_shell, run_tests, reproduce, report, clean, doctor, init),
    recipe,
    patch,
    wheel,
    index,
    deploy,
    ci,
)
# `inv` itself cannot say what was meant by a word that it does not know.
adopt(program)
