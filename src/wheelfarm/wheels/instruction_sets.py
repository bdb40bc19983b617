"""The instruction sets of a wheel's binaries, from what the compilers were called with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import counted
from wheelfarm.model import CompiledObjects

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

LEVELS: Final[Mapping[str, frozenset[str]]] = {
    "x86-64": frozenset(),
    "x86-64-v2": frozenset({"SSE3", "SSSE3", "SSE4_1", "SSE4_2", "POPCNT", "CRC32", "LAHF_SAHF"}),
    "x86-64-v3": frozenset(
        {"AVX", "AVX2", "BMI", "BMI2", "F16C", "FMA", "LZCNT", "ABM", "MOVBE", "XSAVE"},
    ),
    "x86-64-v4": frozenset({"AVX512F", "AVX512BW", "AVX512CD", "AVX512DQ", "AVX512VL", "EVEX256", "EVEX512"}),
    "armv8-a": frozenset(),
    "armv8.1-a": frozenset({"ATOMICS", "CRC32", "QRDMX"}),
    "armv8.3-a": frozenset({"COMPLEX", "JCVT"}),
    "armv8.4-a": frozenset({"DOTPROD"}),
    "armv9-a": frozenset(
        {"FRINT", "FP16_FML", "FP16_SCALAR_ARITHMETIC", "FP16_VECTOR_ARITHMETIC"}
        | {"SVE", "SVE2", "SVE_VECTOR_OPERATORS"}
    ),
}
"""What each level adds to the one before, as compilers name it: the x86-64 psABI, the Arm architecture."""
NATIVE: Final = "native"
"""Stands for the level of whatever machine the build runs on."""
_PLATFORMS: Final = {
    r"(many|musl)?linux.*_x86_64": "x86-64",
    r"macosx_.*_x86_64": "x86-64-v2",
    r"win_amd64": "x86-64",
    r"(many|musl)?linux.*_aarch64": "armv8-a",
}
"""The level of a platform's oldest processors."""
_OPTION: Final = re.compile(r"-m(arch|cpu|tune)=(.*)")
_SHOWN: Final = 4


def baseline_level(platform_tag: str, wanted: str | None) -> str | None:
    """The level that all of a wheel may need: what is wanted where it is one of the platform's architecture.

    It is None where none is known.
    """
    tags = platform_tag.split(".")
    levels = (level for tag, level in _PLATFORMS.items() if any(re.fullmatch(tag, each) for each in tags))
    usual = next(levels, None)
    return wanted if wanted == NATIVE or (wanted and usual in _family(wanted)) else usual


def _family(level: str) -> list[str]:
    return [each for each in LEVELS if each[:3] == level[:3]]


def level_of(features: Iterable[str], family: str) -> str:
    """The highest level of which one of the features is; of the family of a level."""
    found = frozenset(features)
    levels = _family(family)
    return max(levels, key=lambda level: levels.index(level) if LEVELS[level] & found else 0)


def beyond(features: Iterable[str], level: str) -> frozenset[str]:
    """The features that are above a level."""
    levels = _family(level)
    return frozenset(features).difference(*(LEVELS[each] for each in levels[: levels.index(level) + 1]))


def required_features(options: Iterable[str], compiled: CompiledObjects) -> frozenset[str]:
    """The features with which all objects of a binary were compiled.

    Those of some objects only are behind a choice at run time: all others work without them.
    """
    known = [frozenset(compiled.features[each]) for each in options if each in compiled.features]
    return frozenset.intersection(*known) if known else frozenset()


def required_level(compiled: CompiledObjects, family: str) -> str:
    """The level that the binaries of a wheel require."""
    needed = (required_features(each, compiled) for each in compiled.objects.values())
    return level_of(frozenset[str]().union(*needed), family)


def highest_level(levels: Iterable[str]) -> str:
    """The highest of some levels of one architecture; native is above all."""
    return max(levels, key=[*LEVELS, NATIVE].index)


def describe_levels(
    compiled: CompiledObjects | None, family: str | None, marks: Collection[str] = ()
) -> dict[str, str]:
    """The level that the binaries require, and the highest of any object; empty where it is not known.

    Args:
        compiled: how their objects were compiled, where that is known.
        family: a level of the platform's architecture; None for an unknown one.
        marks: the levels that the binaries themselves name.
    """
    if not family or not (marks or (compiled and compiled.objects)):
        return {}
    objects = compiled or CompiledObjects()
    every = frozenset[str]().union(*objects.features.values())
    required = highest_level([required_level(objects, family), *marks])
    return {"required": required, "highest": highest_level([required, level_of(every, family)])}


def unsuitable_objects(
    objects: Mapping[str, int], compiled: CompiledObjects, level: str | None
) -> Iterator[tuple[str, str]]:
    """Rules that the objects of a binary do not keep, with the details.

    Args:
        objects: options → number of objects.
        compiled: what the options come to.
        level: the highest that all objects may have; None where it is not known.
    """
    total = counted(sum(objects.values()), "object")
    for rule, kinds in (("native-code", ("arch", "cpu")), ("native-tuning", ("tune",))):
        for options, count in objects.items():
            if option := _native(options, kinds):
                yield rule, f"{option} for {count} of {total}"
    above = beyond(required_features(objects, compiled), level) if level else frozenset()
    if level and above:
        highest = level_of(above, level)
        names = sorted(above, key=lambda name: (name not in LEVELS[highest], name))
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        used = ", ".join(filter(None, objects)) or "the compiler's default"
        what = f"{highest}, baseline {level}: {', '.join(names[:_SHOWN])}{more}"
        yield "instruction-set", f"{what}; by {used} for all of {total}"


def _native(options: str, kinds: Iterable[str]) -> str:
    """The option by which an object is for the processor of the build; empty without one."""
    # Of several, the last one counts.
    last = {match[1]: match for word in options.split() if (match := _OPTION.fullmatch(word))}
    return next((last[kind][0] for kind in kinds if kind in last and last[kind][2] == NATIVE), "")
