"""Repair: the platform's tool puts shared libraries into the wheel, so that it runs on other machines."""

from wheelfarm.repair.providers import provider_of
from wheelfarm.repair.soundness import check_repaired
from wheelfarm.repair.tools import TOOLS, architecture, check_name, only_wheel, tool_for

__all__ = [
    "TOOLS",
    "architecture",
    "check_name",
    "check_repaired",
    "only_wheel",
    "provider_of",
    "tool_for",
]
