"""Pipeline: the only room that knows the order of the steps."""

from wheelfarm.pipeline.decision import Action, Decision, decide, decide_all
from wheelfarm.pipeline.done import fetcher_of
from wheelfarm.pipeline.explanation import explanation
from wheelfarm.pipeline.farm import Farm
from wheelfarm.pipeline.last_run import last_run
from wheelfarm.pipeline.line import Line
from wheelfarm.pipeline.parts import Parts
from wheelfarm.pipeline.publication import Publication, choose_index_name, named_releases
from wheelfarm.pipeline.rebuilding import Rebuild, Rebuilt
from wheelfarm.pipeline.space import Leftover, Space, clean
from wheelfarm.pipeline.upstream import Upstream

__all__ = [
    "Action",
    "Decision",
    "Farm",
    "Leftover",
    "Line",
    "Parts",
    "Publication",
    "Rebuild",
    "Rebuilt",
    "Space",
    "Upstream",
    "choose_index_name",
    "clean",
    "decide",
    "decide_all",
    "explanation",
    "fetcher_of",
    "last_run",
    "named_releases",
]
