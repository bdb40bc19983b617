"""Report: the only room that prints. People read standard error, programs read standard output."""

from wheelfarm.report.actions import job_summary
from wheelfarm.report.chain import ChainReport
from wheelfarm.report.difference import difference_lines
from wheelfarm.report.index import (
    comparison_data,
    comparison_lines,
    standing_data,
    standing_lines,
    verdict_data,
    verdict_line,
)
from wheelfarm.report.outcome import decision_lines, outcome_data, outcome_line, summary_lines
from wheelfarm.report.quantity import about, size
from wheelfarm.report.rebuild import preparation_lines, rebuilt_lines
from wheelfarm.report.screen import Screen
from wheelfarm.report.suite import suite_lines
from wheelfarm.report.wheel import inspection_lines
from wheelfarm.report.workflow import workflow_summary

__all__ = [
    "ChainReport",
    "Screen",
    "about",
    "comparison_data",
    "comparison_lines",
    "decision_lines",
    "difference_lines",
    "inspection_lines",
    "job_summary",
    "outcome_data",
    "outcome_line",
    "preparation_lines",
    "rebuilt_lines",
    "size",
    "standing_data",
    "standing_lines",
    "suite_lines",
    "summary_lines",
    "verdict_data",
    "verdict_line",
    "workflow_summary",
]
