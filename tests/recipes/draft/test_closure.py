"""What uv resolves, read with what requires each distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from wheelfarm.model import Name, Python, Target
from wheelfarm.recipes.draft.closure import Closure, ResolvedDistribution, parse_closure, reachable

if TYPE_CHECKING:
    from collections.abc import Sequence

HASH: Final = f"    --hash=sha256:{'0' * 64}\n"
OUTPUT: Final = f"""\
networkx==3.6.1 ; python_full_version < '3.12' \\
{HASH}    # via scikit-image
networkx==3.7 ; python_full_version >= '3.12' \\
{HASH}    # via scikit-image
numpy==2.4.6 \\
{HASH}    # via
    #   -c /tmp/constraints.txt
    #   Image_IO
    #   scikit-image[fast]
imageio==2.38.1 \\
{HASH}    # via scikit-image
image-io==1.0 \\
{HASH}    # via scikit-image
colorama==0.4 ; sys_platform == 'win32' \\
{HASH}    # via imageio
scikit-image==0.26.0 \\
{HASH}
"""
"""As `uv pip compile --universal` writes it."""


def targets(*systems: str, minor: int = 11) -> list[Target]:
    python = Python(major=3, minor=minor)
    return [Target(python=python, system=system, arch="x86_64") for system in systems]


def test_each_distribution_has_its_versions_and_what_requires_it() -> None:
    closure = parse_closure(OUTPUT, targets("manylinux"))
    assert {name: each.versions for name, each in closure.items()} == {
        "networkx": ("3.6.1",),
        "numpy": ("2.4.6",),
        "imageio": ("2.38.1",),
        "image-io": ("1.0",),
        "scikit-image": ("0.26.0",),
    }
    assert closure[Name("numpy")].required_by == ("image-io", "scikit-image")
    assert closure[Name("networkx")].required_by == ("scikit-image",)
    assert closure[Name("scikit-image")].required_by == ()


def test_markers_hold_for_some_target_or_the_distribution_is_not_there() -> None:
    windows = Target(python=Python(major=3, minor=12), system="win", arch="amd64")
    closure = parse_closure(OUTPUT, [*targets("manylinux"), windows])
    assert closure[Name("networkx")].versions == ("3.6.1", "3.7")
    assert closure[Name("colorama")].required_by == ("imageio",)


def closure_of(**parents: Sequence[str]) -> Closure:
    return {
        Name(name): ResolvedDistribution(
            name=Name(name), versions=("1",), required_by=tuple(map(Name, required_by))
        )
        for name, required_by in parents.items()
    }


@pytest.mark.parametrize(
    ("roots", "ends", "found"),
    [
        (["top"], [], {"top", "mid", "leaf", "deep"}),
        (["top"], ["mid"], {"top", "mid", "leaf"}),
        (["mid"], ["mid"], {"mid", "deep"}),
        (["absent"], [], set()),
    ],
)
def test_what_is_reached_does_not_go_through_an_end(
    roots: Sequence[str], ends: Sequence[str], found: set[str]
) -> None:
    closure = closure_of(top=[], mid=["top"], leaf=["top"], deep=["mid"])
    assert {*reachable(closure, [*map(Name, roots)], [*map(Name, ends)])} == found


def test_a_cycle_is_walked_once() -> None:
    closure = closure_of(hen=["egg"], egg=["hen"])
    assert {*reachable(closure, [Name("hen")], [])} == {"hen", "egg"}
