"""Schedule: run a plan as parallel as its graph and the machine allow; a failure stops only what needs it."""

from wheelfarm.schedule.agenda import Agenda, Start, Task
from wheelfarm.schedule.budget import Budget, Need
from wheelfarm.schedule.durations import Durations, Measured, estimate
from wheelfarm.schedule.forecast import Span, forecast
from wheelfarm.schedule.outcome import Interrupted, Outcome, State
from wheelfarm.schedule.retry import Retry
from wheelfarm.schedule.runner import Perform, Runner

__all__ = [
    "Agenda",
    "Budget",
    "Durations",
    "Interrupted",
    "Measured",
    "Need",
    "Outcome",
    "Perform",
    "Retry",
    "Runner",
    "Span",
    "Start",
    "State",
    "Task",
    "estimate",
    "forecast",
]
