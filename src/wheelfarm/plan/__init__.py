"""Plan: selection, recipes and targets → builds in order, each with its rebuild key. Pure data."""

from wheelfarm.plan.build import (
    RULES,
    Build,
    BuildId,
    check_unchanged,
    digest,
    file_digest,
    gate_parts,
    key_parts,
    named_programs,
)
from wheelfarm.plan.graph import Plan, make_plan, order, serves
from wheelfarm.plan.patch import diff_digest, upstream_link
from wheelfarm.plan.toolchain import Toolchain

__all__ = [
    "RULES",
    "Build",
    "BuildId",
    "Plan",
    "Toolchain",
    "check_unchanged",
    "diff_digest",
    "digest",
    "file_digest",
    "gate_parts",
    "key_parts",
    "make_plan",
    "named_programs",
    "order",
    "serves",
    "upstream_link",
]
