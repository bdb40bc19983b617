"""Compares what the examination of a wheel has found with what the recipe allows."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from wheelfarm.errors import counted
from wheelfarm.gate.check import Check, listed, matches
from wheelfarm.model import CompiledObjects
from wheelfarm.wheels.examination import Finding, examine, examine_beside
from wheelfarm.wheels.exclusion import examine_exclusion
from wheelfarm.wheels.instruction_sets import (
    LEVELS,
    NATIVE,
    baseline_level,
    beyond,
    highest_level,
    required_level,
)
from wheelfarm.wheels.rules import RULES, RUN_TIME, parse_allowance

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from wheelfarm.plan.build import Build
    from wheelfarm.wheels.archive import Wheel
    from wheelfarm.wheels.binary import Binary


def check_examination(
    build: Build,
    wheel: Wheel,
    binaries: Sequence[Binary],
    beside: Collection[Wheel],
    compiled: CompiledObjects | None = None,
) -> Iterator[Check]:
    """Check what the examination finds in a wheel, alone and beside those that are installed with it."""
    wanted = build.resolved.expect.instruction_set
    applies = wanted == baseline_level(wheel.platform_tag, wanted)
    marks = [binary.level for binary in binaries if binary.level]
    known = (compiled and compiled.objects) or marks
    if known and wanted and wanted != NATIVE and applies:
        yield _instruction_set(wanted, compiled or CompiledObjects(), marks, len(binaries))
    exclude = build.resolved.repair.exclude
    exclusion = examine_exclusion(wheel, binaries, exclude, beside, python=str(build.id.target.python))
    # A split need not have the binaries that need it.
    if exclude and build.id.name == build.recipe.name:
        useless = [glob for glob in exclude if glob not in exclusion.matched]
        yield Check.of(
            "repair.exclude",
            expected="each matches a needed library",
            found=f"nothing for {listed(useless)}" if useless else "all do",
            ok=not useless,
            cause="no binary of the wheel needs such a library, or the wheel has it itself",
            hint="correct or remove it: [repair] exclude",
        )
    findings = {
        *examine(wheel, binaries, compiled, wanted),
        *examine_beside(wheel, beside),
    } - exclusion.proved
    yield from check_findings(build.resolved.expect.allow or {}, sorted(findings.union(exclusion.findings)))


def _instruction_set(wanted: str, compiled: CompiledObjects, marks: Sequence[str], total: int) -> Check:
    """Whether the binaries need the level; what is above it is a finding.

    The objects show it where the calls of the compilers are known, and the linker's marks: a dynamic linker
    that reads them refuses what its processor cannot run.
    """
    found = highest_level([required_level(compiled, wanted), *marks])
    marked = f", marked in {marks.count(found)} of {counted(total, 'binary', 'binaries')}" if marks else ""
    options = sorted({each for objects in compiled.objects.values() for each in objects if each})
    return Check.of(
        "instruction-set",
        expected=wanted,
        found=f"{found}{marked}",
        ok=bool(beyond(LEVELS[found], wanted)) or found == wanted,
        cause=f"no binary has it in all its objects; the compilers were called with {listed(options)}: "
        "see CFLAGS, CXXFLAGS, FFLAGS and the project's own option",
    )


def check_findings(allow: Mapping[str, str], findings: Iterable[Finding]) -> Iterator[Check]:
    """A check for each rule that a member does not keep, and for each allowance that nothing needs.

    Of the rules for the run time there is none that nothing needs: most Pythons have the GIL.

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
        if key not in used and parse_allowance(key)[0] not in RUN_TIME:
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
