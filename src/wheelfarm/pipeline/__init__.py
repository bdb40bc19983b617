"""Pipeline: the only room that knows the order of the steps."""

from wheelfarm.pipeline.decision import Action, Decision, decide, decide_all
from wheelfarm.pipeline.explanation import explanation
from wheelfarm.pipeline.farm import Farm
from wheelfarm.pipeline.line import Line, fetcher_of
from wheelfarm.pipeline.rebuilding import Rebuild, Rebuilt
from wheelfarm.pipeline.space import Leftover, Space, clean

__all__ = [
    "Action",
    "Decision",
    "Farm",
    "Leftover",
    "Line",
    "Rebuild",
    "Rebuilt",
    "Space",
    "clean",
    "decide",
    "decide_all",
    "explanation",
    "fetcher_of",
]
