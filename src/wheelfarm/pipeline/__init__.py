"""Pipeline: the only room that knows the order of the steps."""

from wheelfarm.pipeline.decision import Action, Decision, decide, decide_all
from wheelfarm.pipeline.explanation import explanation
from wheelfarm.pipeline.farm import Farm
from wheelfarm.pipeline.line import Line

__all__ = ["Action", "Decision", "Farm", "Line", "decide", "decide_all", "explanation"]
