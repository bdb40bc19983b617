"""A runner for GitHub Actions workflows, as far as the farm's own go; what it does not know is an error."""

from support.actions.expressions import UnknownConstructError, evaluate, interpolate
from support.actions.hosting import Hosting
from support.actions.workflow import Event, Finished, run_workflow

__all__ = [
    "Event",
    "Finished",
    "Hosting",
    "UnknownConstructError",
    "evaluate",
    "interpolate",
    "run_workflow",
]
