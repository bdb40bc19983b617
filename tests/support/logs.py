"""The logs of failed builds: made by tiny builds that really fail, or as programs of other systems print."""

from __future__ import annotations

from support.golden import GOLDEN

FAILED_LOGS = GOLDEN / "logs"


def failed_log(name: str) -> str:
    """The text of a log, by its name without the suffix."""
    return (FAILED_LOGS / f"{name}.log").read_text(encoding="utf-8")
