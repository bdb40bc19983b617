"""Instruction-set levels: of options, of a binary's objects, of a platform; and what is above them."""

from __future__ import annotations

from typing import get_args

import pytest

from wheelfarm.model import CompiledObjects
from wheelfarm.recipes.expect_table import InstructionSet
from wheelfarm.wheels.instruction_sets import (
    LEVELS,
    baseline_level,
    describe_levels,
    level_of,
    required_level,
    unsuitable_objects,
)

SSE42 = ("POPCNT", "SSE3", "SSE4_1", "SSE4_2", "SSSE3")
AVX2 = ("AVX", "AVX2", *SSE42)
FEATURES = {
    "": (),
    "-msse4.2": SSE42,
    "-mavx2": AVX2,
    "-mavx512f": ("AVX512F", *AVX2),
    "-maes": ("AES",),
    "-march=native": ("AES", *AVX2),
    "-march=native -march=x86-64": (),
    "-mtune=native": (),
    "-mtune=native -mtune=generic": (),
    "-mcpu=native": ("SVE", "ATOMICS"),
}


def rules(objects: dict[str, int], level: str | None = "x86-64") -> dict[str, str]:
    return dict(unsuitable_objects(objects, CompiledObjects(features=FEATURES), level))


def test_the_recipe_knows_each_level() -> None:
    assert get_args(InstructionSet) == (*LEVELS, "native")


@pytest.mark.parametrize(
    ("objects", "level", "found"),
    [
        ({"": 3}, "x86-64", set()),
        ({"": 1, "-mavx2": 2, "-mavx512f": 2}, "x86-64", set()),
        ({"-mavx2": 2, "-mavx512f": 2}, "x86-64", {"instruction-set"}),
        ({"-msse4.2": 2, "-mavx512f": 2}, "x86-64-v2", set()),
        ({"-mavx2": 2}, "x86-64-v3", set()),
        ({"-maes": 2}, "x86-64-v4", {"instruction-set"}),
        ({"": 2, "-march=native": 1}, "x86-64", {"native-code"}),
        ({"-mcpu=native": 1}, "armv8-a", {"native-code", "instruction-set"}),
        ({"-mcpu=native": 1}, "armv9-a", {"native-code"}),
        ({"-mcpu=native": 1}, None, {"native-code"}),
        ({"-march=native -march=x86-64": 2}, "x86-64", set()),
        ({"": 2, "-mtune=native": 1}, "x86-64", {"native-tuning"}),
        ({"-mtune=native -mtune=generic": 1}, "x86-64", set()),
        # What the compiler does not take says nothing.
        ({"-mno-such": 1}, "x86-64", set()),
        ({"-mno-such": 1, "-mavx2": 1}, "x86-64", {"instruction-set"}),
        ({}, "x86-64", set()),
    ],
)
def test_the_objects_of_a_binary(objects: dict[str, int], level: str | None, found: set[str]) -> None:
    assert rules(objects, level).keys() == found


def test_the_details_name_the_options() -> None:
    found = rules({"-march=native": 2, "-mavx2": 1})
    assert found == {
        "native-code": "-march=native for 2 of 3 objects",
        "instruction-set": "x86-64-v3, baseline x86-64: AVX, AVX2, POPCNT, SSE3 and 3 more; "
        "by -march=native, -mavx2 for all of 3 objects",
    }


def test_a_compiler_whose_default_is_above_the_baseline() -> None:
    # As that of RHEL 9, where manylinux_2_34 images come from.
    compiled = CompiledObjects(features={"": SSE42})
    (found,) = unsuitable_objects({"": 4}, compiled, "x86-64")
    assert found[1].endswith("; by the compiler's default for all of 4 objects")


def test_the_level_of_a_wheel_is_that_of_the_binary_that_needs_most() -> None:
    objects = {"a.so": {"": 9}, "b.so": {"-mavx2": 1, "-msse4.2": 1}, "c.so": {"": 1, "-mavx512f": 1}}
    compiled = CompiledObjects(objects=objects, features=FEATURES)
    assert required_level(compiled, "x86-64") == "x86-64-v2"
    assert required_level(CompiledObjects(), "armv8-a") == "armv8-a"
    assert describe_levels(compiled, "x86-64") == {"required": "x86-64-v2", "highest": "x86-64-v4"}
    assert describe_levels(CompiledObjects(), "x86-64") == describe_levels(compiled, None) == {}
    marked = {"required": "x86-64-v3", "highest": "x86-64-v3"}
    assert describe_levels(None, "x86-64", {"x86-64-v2", "x86-64-v3"}) == marked
    assert describe_levels(compiled, "x86-64", {"x86-64-v3"}) == marked | {"highest": "x86-64-v4"}


def test_the_level_of_features() -> None:
    assert [level_of(FEATURES[each], "x86-64") for each in ("", "-maes", "-msse4.2", "-mavx512f")] == [
        *("x86-64", "x86-64", "x86-64-v2", "x86-64-v4"),
    ]
    assert level_of(["ATOMICS", "CRC32"], "armv8-a") == "armv8.1-a"


@pytest.mark.parametrize(
    ("tag", "wanted", "level"),
    [
        ("manylinux_2_28_x86_64", None, "x86-64"),
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", "x86-64-v3", "x86-64-v3"),
        ("musllinux_1_2_x86_64", "native", "native"),
        ("linux_x86_64", "armv9-a", "x86-64"),
        ("manylinux_2_28_aarch64", None, "armv8-a"),
        ("manylinux_2_28_aarch64", "x86-64-v3", "armv8-a"),
        ("macosx_11_0_x86_64", None, "x86-64-v2"),
        ("macosx_11_0_arm64", None, None),
        ("macosx_11_0_arm64", "armv8.1-a", None),
        ("win_amd64", None, "x86-64"),
        ("manylinux_2_28_ppc64le", "x86-64-v3", None),
        ("any", None, None),
    ],
)
def test_the_baseline_of_a_platform(tag: str, wanted: str | None, level: str | None) -> None:
    assert baseline_level(tag, wanted) == level
