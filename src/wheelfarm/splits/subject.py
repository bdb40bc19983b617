"""What the gate is asked of a split: a build of its own, whose wheel is installed beside the main one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.recipes import Expect, Test
from wheelfarm.wheels import Kind, kind_of

if TYPE_CHECKING:
    from wheelfarm.model import Name
    from wheelfarm.plan import Build
    from wheelfarm.wheels import Wheel

_EXTENSIONS: Final = (".so", ".pyd")


def subject(build: Build, name: Name, *, main: Wheel, wheel: Wheel) -> Build:
    """The build as the gate sees it when it looks at a split.

    A split may need from outside what the main wheel may, and what repair has put into that; it must be as
    stripped and serve as old systems. What it is for, its imports tell.

    Args:
        build: the build.
        name: the split's distribution.
        main: the main wheel.
        wheel: the split's wheel.
    """
    expect = build.resolved.expect
    vendored = [
        PurePosixPath(member.name).name for member in main.members if kind_of(member.name) is Kind.LIBRARY
    ]
    asked = {
        "needs": None if expect.needs is None else [*expect.needs, *vendored],
        "stripped": expect.stripped,
        "platform-tag": expect.platform_tag,
        "extensions": any(member.name.endswith(_EXTENSIONS) for member in wheel.members),
    }
    test = Test(imports=build.splits[name].imports)
    resolved = replace(build.resolved, expect=Expect.model_validate(asked), test=test)
    return replace(build, id=replace(build.id, name=name), resolved=resolved)
