"""METADATA of the wheels of a build, with the recipe's edits and a local version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.metadata import Metadata

from support.archives import digest
from support.farm import builds_of, make_farm
from support.raised import only
from support.wheels import make_wheel
from wheelfarm.build.splits import divide
from wheelfarm.errors import RecipeError
from wheelfarm.model import EnvironmentEntry, Name, RepairedWheel
from wheelfarm.wheels.archive import open_wheel, verify

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.build import Build
    from wheelfarm.wheels.archive import Wheel

FILES: dict[str, str | bytes] = {
    "alpha/__init__.py": "",
    "alpha/tests/__init__.py": "",
    "alpha-1.0.data/scripts/alpha": "#!python\n",
}
REQUIRES = ["setuptools<90,>=40", 'gamma; extra == "test"', "delta"]
EDITS = {
    "loosen": ["setuptools"],
    "pin-to-built": {"setuptools": ">=x.x"},
    "remove": ["delta"],
    "add": ["epsilon>=1"],
}


def build_with(root: Path, **recipe: Any) -> Build:
    return builds_of(make_farm(root / "farm", {"alpha": recipe}))["alpha"]


def made(root: Path, requires: list[str], **built: str) -> RepairedWheel:
    path = make_wheel(root, "alpha", "1.0", FILES, requires=requires)
    environment = tuple(
        EnvironmentEntry(name=Name(name), version=each, sha256=None) for name, each in built.items()
    )
    return RepairedWheel(path=path, sha256=digest(path.read_bytes()), environment=environment)


def divided(root: Path, build: Build, repaired: RepairedWheel) -> dict[str, Wheel]:
    wheels = {str(name): each for name, each in divide(build, repaired, {}, root / "split").items()}
    opened = {name: open_wheel(each.path) for name, each in wheels.items()}
    for name, wheel in opened.items():
        verify(wheel)
        assert wheels[name].sha256 == digest(wheel.path.read_bytes())
        Metadata.from_email(wheel.read(f"{wheel.dist_info}/METADATA"))
    return opened


def test_edits_are_in_the_wheel(tmp_path: Path) -> None:
    build, repaired = (
        build_with(tmp_path, metadata={"requires": EDITS}),
        made(tmp_path, REQUIRES, setuptools="80.9.0"),
    )
    (wheel,) = divided(tmp_path, build, repaired).values()
    assert wheel.metadata.requires_dist == ("setuptools>=80.9", 'gamma; extra == "test"', "epsilon>=1")
    assert wheel.path.name == repaired.path.name
    before = open_wheel(repaired.path)
    assert wheel.names == before.names
    fields = before.read("alpha-1.0.dist-info/METADATA").decode().splitlines()
    rest = wheel.read("alpha-1.0.dist-info/METADATA").decode().splitlines()
    assert [line for line in rest if line in fields] == [
        line for line in fields if not line.startswith(("Requires-Dist: setuptools", "Requires-Dist: delta"))
    ]


def test_equal_edits_make_equal_bytes(tmp_path: Path) -> None:
    build, repaired = (
        build_with(tmp_path, metadata={"requires": EDITS}),
        made(tmp_path, REQUIRES, setuptools="80.9.0"),
    )
    (first,) = divided(tmp_path, build, repaired).values()
    (tmp_path / "again").mkdir()
    (second,) = divided(tmp_path / "again", build, repaired).values()
    assert first.path.read_bytes() == second.path.read_bytes()


def test_a_pin_to_what_it_was_not_built_with(tmp_path: Path) -> None:
    build = build_with(tmp_path, metadata={"requires": {"pin-to-built": {"setuptools": ">=x"}}})
    error = only(lambda: divided(tmp_path, build, made(tmp_path, REQUIRES, cython="3")), RecipeError)
    assert error.what.startswith("'setuptools' cannot be pinned")
    assert error.where == f"{build.recipe.where}: metadata.requires.pin-to-built"
    assert error.why == "the build environment has cython"


def test_a_local_version(tmp_path: Path) -> None:
    table = {"metadata": {"local-version": "team.1"}, "splits": {"tests": {"files": ["*/tests/*"]}}}
    build = build_with(tmp_path, **table)
    assert (build.version, build.recipe.table.version) == ("1.0+team.1", "1.0")
    wheels = divided(tmp_path, build, made(tmp_path, REQUIRES))
    assert {name: wheel.path.name for name, wheel in wheels.items()} == {
        "alpha": "alpha-1.0+team.1-py3-none-any.whl",
        "alpha-tests": "alpha_tests-1.0+team.1-py3-none-any.whl",
    }
    assert {wheel.version for wheel in wheels.values()} == {"1.0+team.1"}
    assert "alpha-1.0+team.1.data/scripts/alpha" in wheels["alpha"].names
    assert "alpha==1.0+team.1" in wheels["alpha-tests"].metadata.requires_dist


def test_keys(tmp_path: Path) -> None:
    plain = build_with(tmp_path / "plain")
    assert not any(part.startswith("metadata") for part in plain.key_parts)
    tables: list[dict[str, Any]] = [{"local-version": "team.1"}, {"requires": {"loosen": ["setuptools"]}}]
    builds = [build_with(tmp_path / str(number), metadata=each) for number, each in enumerate(tables)]
    assert len({each.key for each in (plain, *builds)}) == 1 + len(builds)
    assert builds[0].key_parts["metadata.local-version"] == "team.1"
    assert builds[1].key_parts["metadata.requires.loosen"] == '["setuptools"]'
    empty = build_with(tmp_path / "empty", metadata={"requires": {"add": []}})
    assert empty.key == plain.key
