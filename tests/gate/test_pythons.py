"""Which Pythons a wheel serves, by its tags and its Requires-Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.wheels import make_wheel
from wheelfarm.gate.clean_environment import is_for_one_python, supported_pythons
from wheelfarm.model import Python
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.wheels.archive import Wheel

HERE = tuple(Python.parse(text) for text in ("3.9", "3.10", "3.11", "3.12", "3.13", "3.13t", "3.14t"))
NATIVE = "manylinux_2_28_x86_64"


def wheel_of(root: Path, tag: str, requires_python: str = "") -> Wheel:
    return open_wheel(make_wheel(root, "alpha", "1.0", tag=tag, requires_python=requires_python))


@pytest.mark.parametrize(
    ("tag", "requires_python", "expected", "one"),
    [
        (f"cp311-cp311-{NATIVE}", "", "3.11", True),
        (f"cp313-cp313t-{NATIVE}", "", "3.13t", True),
        (f"cp311.cp312-cp311.cp312-{NATIVE}", "", "3.11 3.12", True),
        (f"cp311-abi3-{NATIVE}", "", "3.11 3.12 3.13", False),
        (f"cp39-abi3-{NATIVE}", ">=3.10", "3.10 3.11 3.12 3.13", False),
        (f"cp39-abi3-{NATIVE}", ">=3.11.4,<3.13", "3.11 3.12", False),
        ("py3-none-any", "", "3.9 3.10 3.11 3.12 3.13 3.13t 3.14t", False),
        ("py2.py3-none-any", ">=3.13", "3.13 3.13t 3.14t", False),
        ("py312-none-any", "", "3.12 3.13 3.13t 3.14t", False),
        (f"py3-none-{NATIVE}", "<3.10", "3.9", False),
        ("py2-none-any", "", "", False),
    ],
)
def test_the_pythons_of_a_wheel(
    tmp_path: Path, tag: str, requires_python: str, expected: str, *, one: bool
) -> None:
    wheel = wheel_of(tmp_path, tag, requires_python)
    assert " ".join(map(str, supported_pythons(wheel, HERE))) == expected
    assert is_for_one_python(wheel) is one


def test_a_machine_without_any(tmp_path: Path) -> None:
    assert supported_pythons(wheel_of(tmp_path, "py3-none-any"), ()) == ()
