"""Compares what the examination of a wheel has found with what the recipe allows."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from wheelfarm.gate.check import Check, listed, matches
from wheelfarm.wheels.examination import Finding
from wheelfarm.wheels.rules import RULES, parse_allowance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def check_findings(allow: Mapping[str, str], findings: Iterable[Finding]) -> Iterator[Check]:
    """A check for each rule that a member does not keep, and for each allowance that nothing needs.

    Args:
        allow: `RULE` or `RULE: GLOB of members` → the recipe's reason.
        findings: what the examination has found.
    """
    by_rule, used = defaultdict[str, list[Finding]](list), set[str]()
    for finding in findings:
        keys = [key for key in allow if _allows(key, finding)]
        used |= set(keys)
        if not keys:
            by_rule[finding.rule].append(finding)
    for name, found in by_rule.items():
        rule = RULES[name]
        members = [f"{each.member} ({each.detail})" if each.detail else each.member for each in found]
        yield Check.of(
            name,
            expected="none" if rule.error else "none, and it is no error",
            found=f"{len(found)}: {listed(members)}",
            ok=not rule.error,
            cause=f"they {rule.meaning}; see {rule.reference}",
            hint=f'{rule.remedy}; or [expect] allow = {{ {name} = "reason" }}',
        )
    for key in allow:
        if key not in used:
            yield Check.of(
                f"allow.{key}",
                expected="something to allow",
                found="nothing",
                ok=False,
                cause="the wheel has changed since",
                hint=f"remove {key!r} from expect.allow",
            )


def _allows(key: str, finding: Finding) -> bool:
    rule, glob = parse_allowance(key)
    return rule == finding.rule and matches(finding.member, [glob])
