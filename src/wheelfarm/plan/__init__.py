"""Plan: selection, recipes and targets → builds in order, each with its rebuild key. Pure data."""

from wheelfarm.plan.build import (
    Build,
    BuildId,
    check_unchanged,
    digest,
    file_digest,
    key_parts,
    named_programs,
)
from wheelfarm.plan.graph import Plan, make_plan, order, serves
from wheelfarm.plan.toolchain import Toolchain

__all__ = [
    "Build",
    "BuildId",
    "Plan",
    "Toolchain",
    "check_unchanged",
    "digest",
    "file_digest",
    "key_parts",
    "make_plan",
    "named_programs",
    "order",
    "serves",
]
