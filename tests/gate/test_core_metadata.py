"""Core metadata that an index refuses does not pass the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.farm import builds_of, make_farm
from support.raised import raised
from support.wheels import make_wheel
from wheelfarm.errors import WheelError
from wheelfarm.gate.core_metadata import check_core_metadata
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wheelfarm.errors import FarmError
    from wheelfarm.gate.check import Result
    from wheelfarm.plan.build import Build

INFO = "alpha-1.0.dist-info"
LICENSES = {f"{INFO}/licenses/LICENSE": "MIT\n", f"{INFO}/licenses/a/b.txt": "MIT\n"}


def build_of(root: Path, **recipe: Any) -> Build:
    return builds_of(make_farm(root, {"alpha": recipe}))["alpha"]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build_of(tmp_path_factory.mktemp("farm"))


def check(build: Build, root: Path, *fields: str) -> tuple[Result, ...]:
    wheel = make_wheel(root, "alpha", "1.0", {"alpha.py": "", **LICENSES}, fields=fields)
    return check_core_metadata(build, open_wheel(wheel))


def refused(build: Build, root: Path, *fields: str) -> Sequence[FarmError]:
    return raised(lambda: check(build, root, *fields), WheelError)


@pytest.mark.parametrize(
    "fields",
    [
        ("Metadata-Version: 2.1",),
        ("Metadata-Version: 2.4", "License-Expression: MIT OR Apache-2.0", "License-File: LICENSE"),
        # Indexes ignore what setuptools wrote before there was such a field.
        ("Metadata-Version: 2.1", "License-File: ../LICENSE", "License-File: COPYING"),
        ("Metadata-Version: 2.2", "Dynamic: Requires-Dist", "Dynamic: license-file"),
        ("Metadata-Version: 2.5", "Import-Name: alpha"),
        ("Metadata-Version: 2.1", "Description-Content-Type: text/markdown; charset=UTF-8; variant=GFM"),
    ],
)
def test_valid_metadata_pass(build: Build, tmp_path: Path, fields: tuple[str, ...]) -> None:
    assert [str(each) for each in check(build, tmp_path, *fields)] == [
        "metadata: expected valid core metadata, found valid"
    ]


@pytest.mark.parametrize(
    ("fields", "what", "why"),
    [
        (("2.1", "License-Expression: MIT"), "License-Expression: MIT", "metadata version 2.4, not 2.1"),
        (("2.1", "Dynamic: Summary"), "Dynamic: Summary", "introduced in metadata version 2.2, not 2.1"),
        (("2.4", "Import-Name: alpha"), "Import-Name: alpha", "introduced in metadata version 2.5, not 2.4"),
        (
            ("2.4", "License-Expression: MIT OR Bogus"),
            "License-Expression: MIT OR Bogus",
            "Unknown license: 'bogus'",
        ),
        (("2.4", "License-File: ../LICENSE"), "License-File: ../LICENSE", "parent directory"),
        (("2.4", "License-File: /LICENSE"), "License-File: /LICENSE", "must be relative"),
        (("2.4", "License-File: C:\\LICENSE"), "License-File: C:\\LICENSE", "must be relative"),
        (("2.4", "License-File: LICEN[CS]E*"), "License-File: LICEN[CS]E*", "must be resolved"),
        (("2.4", "License-File: COPYING"), "License-File: COPYING", f"has no {INFO}/licenses/COPYING"),
        (("2.4", "License-File: a"), "License-File: a", f"has no {INFO}/licenses/a"),
        (("2.2", "Dynamic: Version"), "Dynamic: Version", "not allowed"),
        (("2.2", "Dynamic: colour"), "Dynamic: colour", "not a valid dynamic field"),
        (("2.1", "Provides-Extra: -x-"), "Provides-Extra: -x-", "name is invalid"),
        (("2.1", "Description-Content-Type: text/plane"), "text/plane", "must be one of"),
        (("2.1", "Summary: one", "Summary: two"), "Summary: one, two", "twice"),
        (("2.1", "Colour: red"), "Colour: red", "no such field"),
        (("2.0",), "Metadata-Version: 2.0", "not a valid metadata version"),
    ],
)
def test_what_an_index_refuses_is_an_error_with_the_field_the_value_and_who_wrote_it(
    build: Build, tmp_path: Path, fields: tuple[str, ...], what: str, why: str
) -> None:
    (error,) = refused(build, tmp_path, f"Metadata-Version: {fields[0]}", *fields[1:])
    assert error.what.startswith("alpha-1.0-py3-none-any.whl: indexes refuse ")
    assert what in error.what
    assert error.where == f"{INFO}/METADATA"
    assert why in str(error.why)
    assert str(error.why).endswith("; wheelfarm-tests wrote it")
    assert "docs/how-to/patch-a-source.md" in str(error.hint)


def test_a_field_of_a_newer_version_is_a_reason_for_another_backend(build: Build, tmp_path: Path) -> None:
    (error,) = refused(build, tmp_path, "Metadata-Version: 2.1", "License-Expression: MIT")
    assert error.hint == (
        "take a backend that writes Metadata-Version 2.4: [build-requires] replace, then "
        "inv recipe.lock alpha; or correct License-Expression in the project's metadata by a patch: "
        "docs/how-to/patch-a-source.md"
    )


def test_all_fields_come_at_once(build: Build, tmp_path: Path) -> None:
    lines = ("Metadata-Version: 2.4", "License-Expression: Bogus", "License-File: A", "License-File: B")
    assert [error.what.partition("refuse ")[2] for error in refused(build, tmp_path, *lines)] == [
        "License-Expression: Bogus",
        "License-File: A",
        "License-File: B",
    ]


def test_a_public_wheel_cannot_be_patched(tmp_path: Path) -> None:
    public = {"source": {"kind": "wheel", "sha256": "0" * 64}, "compilers": []}
    build = build_of(tmp_path / "farm", **public)
    (error,) = refused(build, tmp_path, "Metadata-Version: 2.0")
    assert error.hint == ('let the farm build alpha: source.kind = "sdist"; or take another version over')
