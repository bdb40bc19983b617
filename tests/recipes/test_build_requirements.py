"""The build requirements in a source tree's pyproject.toml, and the recipe's edits of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.raised import only, raised
from wheelfarm.errors import BuildDirectoryError, RecipeError
from wheelfarm.recipes.build_requirements import (
    backend,
    build_requires,
    edit_build_requires,
    edited,
    static_run_requires,
)
from wheelfarm.recipes.recipe import BuildRequires

if TYPE_CHECKING:
    from pathlib import Path


class TestReading:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (
                '[build-system]\nrequires = ["meson-python>=0.15"]\nbuild-backend = "mesonpy"\n',
                ("mesonpy", ["meson-python>=0.15"]),
            ),
            (None, ("setuptools.build_meta:__legacy__", ["setuptools>=40.8"])),
            ("", ("setuptools.build_meta:__legacy__", ["setuptools>=40.8"])),
            ('[project]\nname = "a"\n', ("setuptools.build_meta:__legacy__", ["setuptools>=40.8"])),
        ],
    )
    def test_what_the_tree_says(self, tmp_path: Path, text: str | None, expected: object) -> None:
        if text is not None:
            (tmp_path / "pyproject.toml").write_text(text)
        assert (backend(tmp_path), build_requires(tmp_path)) == expected

    @pytest.mark.parametrize(
        ("project", "metadata", "expected"),
        [
            ("[project]\nname = 'a'\ndependencies = ['b']\n", None, ["b"]),
            ("[project]\nname = 'a'\n", "Metadata-Version: 2.1\n", []),
            ("[project]\nname = 'a'\ndynamic = ['dependencies']\n", None, None),
            ("", None, None),
            ("", "Metadata-Version: 2.1\nRequires-Dist: b\n", None),
            ("", "Metadata-Version: 2.2\nRequires-Dist: b\n", ["b"]),
            ("", "Metadata-Version: 2.2\n", []),
            ("", "Metadata-Version: 2.4\nDynamic: Requires-Dist\n", None),
        ],
    )
    def test_run_requirements_without_a_build(
        self, tmp_path: Path, project: str, metadata: str | None, expected: list[str] | None
    ) -> None:
        (tmp_path / "pyproject.toml").write_text(project)
        if metadata is not None:
            (tmp_path / "PKG-INFO").write_text(metadata)
        assert static_run_requires(tmp_path) == expected

    @pytest.mark.parametrize(
        "text",
        [
            *("[build-system", 'a = "\ud800"', "build-system = 3", "[[build-system]]", "a = " + "[" * 9999),
            *("[build-system]\nrequires = 'x'", "[build-system]\nrequires = [1]", f"a = {'9' * 5000}"),
            *("[build-system]\nbuild-backend = []", "[project]\ndependencies = {}"),
        ],
    )
    def test_what_cannot_be_read(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "pyproject.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
        only(lambda: backend(tmp_path), BuildDirectoryError)


class TestEditsOfATree:
    def test_they_are_written(self, tmp_path: Path) -> None:
        path = tmp_path / "pyproject.toml"
        path.write_text(
            '# remains\n[build-system]\nrequires = ["Cython", "numpy>=2"]\nbuild-backend = "mesonpy"\n'
        )
        edits = BuildRequires(add=["pkgconf>=2"], remove=["cython"])
        assert edit_build_requires(tmp_path, edits, where="") == ["numpy>=2", "pkgconf>=2"]
        assert path.read_text().startswith("# remains\n[build-system]\n")
        assert (backend(tmp_path), build_requires(tmp_path)) == ("mesonpy", ["numpy>=2", "pkgconf>=2"])

    def test_a_tree_that_says_nothing_can_be_edited(self, tmp_path: Path) -> None:
        after = edit_build_requires(tmp_path, BuildRequires(add=["wheel"]), where="")
        assert after == build_requires(tmp_path) == ["setuptools>=40.8", "wheel"]


class TestEdits:
    REQUIRES = (
        "meson-python>=0.15,<0.18",
        "Cython>=3.0.8",
        "numpy>=2.0,<2.6",
        "pybind11~=2.13 ; python_version < '4'",
    )

    def edits(self, **said: Any) -> list[str]:
        return edited(self.REQUIRES, BuildRequires.model_validate(said), where="recipe.toml")

    def test_each(self) -> None:
        assert self.edits() == list(self.REQUIRES)
        assert self.edits(add=["wheel"]) == [*self.REQUIRES, "wheel"]
        assert self.edits(remove=["cython"]) == [self.REQUIRES[0], *self.REQUIRES[2:]]
        assert self.edits(replace={"CYTHON": "Cython==3.1"})[1] == "Cython==3.1"
        assert self.edits(loosen=["meson-python"])[0] == "meson-python>=0.15"
        assert self.edits(loosen=["pybind11"])[3] == 'pybind11>=2.13; python_version < "4"'

    def test_replacing_what_was_loosened(self) -> None:
        found = self.edits(loosen=["meson-python"], replace={"meson-python": "meson-python>=0.16"})
        assert found[0] == "meson-python>=0.16"

    def test_what_has_no_effect_is_an_error(self) -> None:
        said = {"remove": ["setuptools"], "replace": {"ninja": "ninja>=1"}, "loosen": ["wheel"]}
        errors = raised(lambda: self.edits(**said), RecipeError)
        assert [error.where for error in errors] == [
            f"recipe.toml: build-requires.{verb}" for verb in ("remove", "loosen", "replace")
        ]
        assert all("cython, meson-python, numpy, pybind11" in str(error.why) for error in errors)

    @pytest.mark.parametrize(
        ("said", "why"),
        [
            ({"loosen": ["cython"]}, "it is Cython>=3.0.8"),
            ({"replace": {"cython": "cython >= 3.0.8"}}, "it is Cython>=3.0.8"),
            ({"remove": ["cython"], "replace": {"cython": "cython"}}, "it is removed"),
        ],
    )
    def test_what_changes_nothing_is_an_error(self, said: dict[str, Any], why: str) -> None:
        error = only(lambda: self.edits(**said), RecipeError)
        assert (error.what, error.why) == ("the edit changes no requirement of cython", why)

    def test_a_source_with_a_requirement_that_is_none(self) -> None:
        only(lambda: edited(["numpy >=> 2"], BuildRequires(), where="recipe.toml"), BuildDirectoryError)
