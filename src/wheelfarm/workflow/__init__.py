"""The workflow: the farm's graph as jobs of a CI host, and which of them a run needs. Pure."""

from wheelfarm.workflow.document import read
from wheelfarm.workflow.github import FARM, GitHub, Limits
from wheelfarm.workflow.gitlab import DOTENV, GitLab
from wheelfarm.workflow.legs import Job, Leg, draw
from wheelfarm.workflow.needs import Results, digests
from wheelfarm.workflow.pins import PINS, Pin, read_pins
from wheelfarm.workflow.runners import compiler_paths
from wheelfarm.workflow.selection import Wish, build_id, outputs, read_outputs, select, unchanged
from wheelfarm.workflow.steps import ARRIVED, KEPT, LAST, MADE, RECORDS, TOLD, variable

__all__ = [
    "ARRIVED",
    "DOTENV",
    "FARM",
    "KEPT",
    "LAST",
    "MADE",
    "PINS",
    "RECORDS",
    "TOLD",
    "GitHub",
    "GitLab",
    "Job",
    "Leg",
    "Limits",
    "Pin",
    "Results",
    "Wish",
    "build_id",
    "compiler_paths",
    "digests",
    "draw",
    "outputs",
    "read",
    "read_outputs",
    "read_pins",
    "select",
    "unchanged",
    "variable",
]
