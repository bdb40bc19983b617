"""What the gate says of findings, and what a recipe allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.binaries import calls, elf
from support.farm import builds_of, make_farm
from support.raised import only, raised
from support.wheels import make_wheel
from wheelfarm.errors import ExpectationError, FarmError
from wheelfarm.gate.check import require
from wheelfarm.gate.examination import check_examination
from wheelfarm.model import CompiledObjects
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from wheelfarm.gate.check import Result
    from wheelfarm.wheels.archive import Wheel

EXT = "alpha/_ext.so"
SOUND = elf(calls())
MARK = ("-Wl,-z,x86-64-v3",)
STACK = elf(calls(), flags=("-s", "-Wl,-z,execstack"))


def checked(
    root: Path, files: dict[str, Any], allow: dict[str, str] | None = None, beside: Collection[Wheel] = ()
) -> dict[str, Result]:
    expect = {"allow": allow} if allow else {}
    build = builds_of(make_farm(root / "farm", {"alpha": {"compilers": ["c"], "expect": expect}}))["alpha"]
    tag = "cp311-cp311-manylinux_2_28_x86_64"
    wheel = open_wheel(make_wheel(root, "alpha", "1.0", files, tag=tag))
    checks = check_examination(build, wheel, linkage(wheel), beside)
    return {each.check: each for each in require(build, checks, wheel=wheel.path.name)}


def test_a_finding_is_an_error_with_member_reference_and_remedy(tmp_path: Path) -> None:
    error = only(lambda: checked(tmp_path, {EXT: STACK}), ExpectationError)
    assert error.what.endswith(f"executable-stack: expected none, found 1: {EXT}")
    assert str(error.why).startswith("they need an executable stack, which glibc 2.41 and later refuse")
    assert str(error.why).endswith("see https://github.com/pypa/auditwheel/issues/634")
    assert error.hint == (
        "link with -Wl,-z,noexecstack, and give assembler files a .note.GNU-stack section; "
        'or [expect] allow = { executable-stack = "reason" }'
    )


@pytest.mark.parametrize("key", ["executable-stack", "executable-stack: alpha/*.so"])
def test_a_recipe_allows_what_it_names(tmp_path: Path, key: str) -> None:
    found = checked(tmp_path, {EXT: STACK}, {key: "it makes trampolines"})
    assert "executable-stack" not in found


def test_an_allowance_is_for_the_members_that_it_names(tmp_path: Path) -> None:
    allow = {"executable-stack: alpha/other*": "it makes trampolines"}
    errors = raised(lambda: checked(tmp_path, {EXT: STACK}, allow), ExpectationError)
    assert [each.what.split(": ")[1] for each in errors] == [
        "executable-stack",
        "allow.executable-stack",
    ]
    assert errors[1].hint == "remove 'executable-stack: alpha/other*' from expect.allow"


def test_a_note_is_a_result_and_no_error(tmp_path: Path) -> None:
    found = checked(tmp_path, {EXT: elf(calls()), "README.md": ""})
    assert found["outside-packages"].found == "1: README.md"


def test_an_unknown_rule_is_an_error_of_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(FarmError, match="did you mean 'executable-stack'"):
        checked(tmp_path, {EXT: STACK}, {"executable-stak": "a reason"})


def test_a_path_of_a_wheel_beside_it_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "beta").mkdir()
    beta = open_wheel(make_wheel(tmp_path / "beta", "beta", "1.0", {"lib/libfoo.a": "2"}))
    error = only(
        lambda: checked(tmp_path, {EXT: SOUND, "lib/libfoo.a": "1"}, beside=[beta]), ExpectationError
    )
    assert "path-twice: expected none, found 1: lib/libfoo.a (in beta-1.0-py3-none-any.whl too)" in error.what


KNOWN = CompiledObjects(
    objects={EXT: {"-march=x86-64-v3": 2}}, features={"-march=x86-64-v3": ("AVX2", "BMI2")}
)


@pytest.mark.parametrize(
    ("mark", "compiled", "found"),
    [
        ((), KNOWN, ["x86-64-v3"]),
        (MARK, KNOWN, ["x86-64-v3, marked in 1 of 1 binary"]),
        # A build that archives its objects with a program of its own hides how they were compiled.
        (MARK, None, ["x86-64-v3, marked in 1 of 1 binary"]),
        ((), None, []),
    ],
)
def test_the_level_of_binaries_and_their_marks(
    tmp_path: Path, mark: tuple[str, ...], compiled: CompiledObjects | None, found: list[str]
) -> None:
    """glibc refuses to load a binary whose mark is above the processor."""
    expect = {"instruction-set": "x86-64-v3"}
    build = builds_of(make_farm(tmp_path / "farm", {"alpha": {"compilers": ["c"], "expect": expect}}))[
        "alpha"
    ]
    files: dict[str, str | bytes] = {"alpha/__init__.py": "", EXT: elf(calls(), flags=("-s", *mark))}
    wheel = open_wheel(make_wheel(tmp_path, "alpha", "1.0", files, tag="cp311-cp311-manylinux_2_28_x86_64"))
    checks = list(check_examination(build, wheel, linkage(wheel), (), compiled))
    levels = [each for each in checks if each.result.check == "instruction-set"]
    assert [each.result.found for each in levels] == found
    assert all(each.ok for each in levels)


def test_a_mark_above_the_expected_level_is_a_finding(tmp_path: Path) -> None:
    files = {"alpha/__init__.py": "", EXT: elf(calls(), flags=("-s", *MARK))}
    error = only(lambda: checked(tmp_path, files), ExpectationError)
    assert "x86-64-v3, by its own note" in str(error)
