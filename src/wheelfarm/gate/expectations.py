"""Compares a repaired wheel with what its recipe expects: names, sizes, tags and binaries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wheelfarm.gate.check import Check, listed, matches, require
from wheelfarm.gate.linkage import check_architecture, check_linkage, reads_binaries
from wheelfarm.recipes.strict import size_of
from wheelfarm.wheels.contents import Kind, contents, kind_of
from wheelfarm.wheels.linkage import linkage_in_child

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wheelfarm.gate.check import Result
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.recipe import Expect
    from wheelfarm.wheels.archive import Wheel

_LEVEL: Final = re.compile(r"(manylinux|musllinux|macosx)_(\d+)_(\d+)(?:_.*)?")
# The manylinux levels from before PEP 600 are aliases of these.
_LEGACY: Final = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


def check_expectations(
    build: Build, wheel: Wheel, env: Mapping[str, str], scratch: Path
) -> tuple[Result, ...]:
    """Compare a repaired wheel with what its recipe expects.

    Args:
        build: the build of the wheel.
        wheel: the repaired wheel.
        env: for the child that reads its binaries.
        scratch: a directory for the child.

    Raises:
        ExpectationError: a group with every expectation that is not met.
    """
    expect, compiled = build.resolved.expect, bool(build.recipe.table.compilers)
    checks = list(check_contents(expect, wheel))
    if reads_binaries(expect, compiled=compiled):
        binaries = linkage_in_child(wheel, env, scratch)
        checks += check_architecture(wheel, binaries)
        checks += check_linkage(expect, binaries, compiled=compiled)
    return require(build, checks, wheel=wheel.path.name)


def check_contents(expect: Expect, wheel: Wheel) -> Iterator[Check]:
    """Compare what a wheel holds with what is expected of it."""
    if expect.tests is not None:
        yield _tests(wheel, wanted=expect.tests)
    if expect.max_size is not None:
        yield from _sizes(wheel, file=expect.max_size.file, unpacked=expect.max_size.unpacked)
    if expect.files is not None:
        yield from _files(wheel, present=expect.files.present, absent=expect.files.absent)
    if expect.platform_tag is not None:
        yield _platform_tag(wheel, expect.platform_tag)
    if expect.abi3 is not None:
        yield _abi3(wheel, wanted=expect.abi3)


def _tests(wheel: Wheel, *, wanted: bool) -> Check:
    # A conftest.py alone is configuration of pytest, which some packages install with their code.
    tests = [
        member
        for member in wheel.members
        if kind_of(member.name) is Kind.TESTS and not member.name.endswith("/conftest.py")
    ]
    found = f"{len(tests)} files, {sum(member.size for member in tests):,} bytes" if tests else "none inside"
    names = listed((member.name for member in tests), "")
    cause = (
        "an install tag, a patch or the source leaves the test suite out"
        if wanted
        else f"{names}: the install tags or the patch that leave the test suite out had no effect"
    )
    expected = "some inside" if wanted else "none inside"
    return Check.of("tests", expected=expected, found=found, ok=bool(tests) is wanted, cause=cause)


def _sizes(wheel: Wheel, *, file: str | None, unpacked: str | None) -> Iterator[Check]:
    for key, limit, size in (("file", file, wheel.packed), ("unpacked", unpacked, wheel.unpacked)):
        if limit is None:
            continue
        summary = contents(wheel, largest=3)
        kinds = ", ".join(f"{kind} {share.size:,}" for kind, share in summary.kinds[:4])
        largest = ", ".join(f"{member.name} {member.size:,}" for member in summary.largest)
        yield Check.of(
            f"max-size.{key}",
            expected=f"at most {limit}",
            found=f"{size:,} bytes",
            ok=size <= size_of(limit),
            cause=f"by kind: {kinds}; largest: {largest}; debug information, tests or a second library?",
        )


def _files(wheel: Wheel, *, present: list[str], absent: list[str]) -> Iterator[Check]:
    names = [member.name for member in wheel.members]
    if present:
        missing = [glob for glob in present if not any(matches(name, [glob]) for name in names)]
        yield Check.of(
            "files.present",
            expected=listed(present),
            found="all of them" if not missing else f"nothing for {listed(missing)}",
            ok=not missing,
            cause="an install tag, a patch or an option leaves them out",
        )
    if absent:
        there = [name for name in names if matches(name, absent)]
        yield Check.of(
            "files.absent",
            expected=f"nothing for {listed(absent)}",
            found=listed(there),
            ok=not there,
            cause="the install tag, the patch or the option that should leave them out had no effect",
        )


def _level(tag: str) -> tuple[str, tuple[int, int]] | None:
    """System and version of a platform tag; None for one that has none, such as win_amd64."""
    for name, version in _LEGACY.items():
        if tag == name or tag.startswith(f"{name}_"):
            return "manylinux", version
    match = _LEVEL.fullmatch(tag)
    return (match[1], (int(match[2]), int(match[3]))) if match else None


def _platform_tag(wheel: Wheel, wanted: str) -> Check:
    """Whether the wheel is for systems at least as old as the tag says; several tags mean any of them."""
    limit = _level(wanted)
    tags = wheel.platform_tag.split(".")
    levels = [level for tag in tags if (level := _level(tag)) is not None]
    if limit is None:
        ok = wanted in tags
    else:
        ok = any(system == limit[0] and version <= limit[1] for system, version in levels)
    cause = "a newer builder image or deployment target, or a compiler of the system on the host engine"
    return Check.of(
        "platform-tag", expected=f"{wanted} or older", found=wheel.platform_tag, ok=ok, cause=cause
    )


def _abi3(wheel: Wheel, *, wanted: bool) -> Check:
    abis = sorted({tag.abi for tag in wheel.tags})
    return Check.of(
        "abi3",
        expected="the stable ABI" if wanted else "the ABI of one Python",
        found=", ".join(abis),
        ok=("abi3" in abis) is wanted,
        cause="the backend's option for the limited API (meson-python: tool.meson-python.limited-api)",
    )
