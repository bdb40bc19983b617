"""A drafted recipe as TOML: what is written is read again as the same values."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelfarm.errors import RecipeError
from wheelfarm.recipes.draft.build_options import BuildOption
from wheelfarm.recipes.draft.recipe_text import DraftedRecipe, render_recipe
from wheelfarm.recipes.draft.smoke import render_smoke
from wheelfarm.recipes.draft.system_libraries import SystemLibrary
from wheelfarm.recipes.recipe import Recipe
from wheelfarm.recipes.strict import parse

if TYPE_CHECKING:
    from pathlib import Path

# What a file in UTF-8 can hold.
TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
NAMES: Final = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), unique=True, max_size=3)
OPTIONS: Final = st.lists(
    st.builds(
        BuildOption, name=st.from_regex(r"[a-zA-Z_]\w{0,9}", fullmatch=True), default=TEXT, description=TEXT
    )
)
LIBRARY: Final = SystemLibrary(name="zlib", header="zlib.h", apt="zlib1g-dev", dnf="zlib-devel", brew="zlib")


def drafted(**values: Any) -> DraftedRecipe:
    return DraftedRecipe(
        **({"name": "leaf", "version": "1.0", "summary": "a leaf", "sha256": "a" * 64} | values)
    )


def read(text: str) -> Recipe:
    return parse(Recipe, tomllib.loads(text), where="recipe.toml", error=RecipeError)


@given(summary=TEXT, host=NAMES, run=NAMES, options=OPTIONS, questions=st.lists(TEXT, max_size=2))
def test_whatever_the_source_says_the_recipe_is_valid(
    summary: str, host: list[str], run: list[str], options: list[BuildOption], questions: list[str]
) -> None:
    recipe = drafted(summary=summary, host=host, run=run, meson=options, cmake=options, questions=questions)
    found = read(render_recipe(recipe))
    assert (found.summary, found.requires.host, found.requires.run) == (summary, host, run)
    assert found.config_settings == {}


@given(st.dictionaries(TEXT.filter(bool), st.from_regex(r"[A-Za-z][ -~]{0,20}", fullmatch=True), max_size=3))
def test_globs_of_files_survive(files: dict[str, str]) -> None:
    source = read(render_recipe(drafted(remove_files=files, allow_files=files))).source
    assert source.kind == "sdist"
    assert (source.remove, source.allow) == ([*files], files)


def test_all_values_are_read_again() -> None:
    recipe = drafted(
        python=">=3.12",
        compilers=["c"],
        add=["cython"],
        replace={"setuptools": "setuptools<81"},
        libraries=[LIBRARY],
        tests=True,
        tests_replaced=True,
        vendors=["libz*"],
        abi3=True,
        dispatched={"instruction-set: leaf/*_avx2.*": "chosen at run time"},
        imports=["leaf"],
        smoke="smoke.py",
    )
    text = render_recipe(recipe)
    found = read(text)
    assert found.python == ">=3.12"
    assert found.compilers == ["c"]
    assert found.build_requires.add == ["cython"]
    assert found.build_requires.replace == {"setuptools": "setuptools<81"}
    assert (found.system_packages.apt, found.system_packages.dnf) == (["zlib1g-dev"], ["zlib-devel"])
    assert found.farm.replace.expect.tests is True
    assert (found.expect.vendors, found.expect.abi3) == (["libz*"], True)
    assert (found.test.imports, found.test.smoke) == (["leaf"], "smoke.py")
    assert found.targets["*linux_x86_64"].append.expect.allow == {
        "instruction-set: leaf/*_avx2.*": "chosen at run time"
    }
    assert "# zlib: the source includes zlib.h; with Homebrew it is zlib\n" in text


def test_a_recipe_that_links_blas_is_read_again() -> None:
    option = BuildOption(name="WITH", default="ON")
    settings, flags = {"cmake.define.BLA_PREFER_PKGCONFIG": "ON"}, {"FFLAGS": "-std=legacy"}
    text = render_recipe(
        drafted(blas=True, without_blas=["none"], settings=settings, cmake=[option], environment=flags)
    )
    found = read(text)
    assert (found.blas, found.config_settings, found.environment) == (True, settings, flags)
    assert [each.variants for each in found.skip] == [["none"]]
    # With the comment, the table would be there twice.
    assert text.count("[config-settings]") == 1
    assert '#     "cmake.define.WITH" = "ON"\n' in text


def test_what_a_farm_does_not_say_is_in_the_recipe_itself() -> None:
    assert read(render_recipe(drafted(tests=True))).expect.tests is True


def test_options_are_comments() -> None:
    option = BuildOption(name="blas", default="openblas", description="which one")
    text = render_recipe(drafted(meson=[option], cmake=[option]))
    assert '#     "-Dblas=openblas",  # which one\n' in text
    assert '#     "cmake.define.blas" = "openblas"  # which one\n' in text


def test_the_smoke_test_is_a_program_that_checks_something() -> None:
    text = render_smoke("json", "0", ["json"], ["json._absent"])
    compile(text, "smoke.py", "exec")
    assert "importlib.import_module(module)" in text
    assert '    "json._absent",\n' in text


class TestModulesThatABuildMayLeaveOut:
    def run(self, required: list[str], optional: dict[str, str]) -> None:
        text = render_smoke("pytest", version("pytest"), ["json"], [*required, *optional], optional)
        exec(compile(text, "smoke.py", "exec"), {})  # noqa: S102 - what the gate does too

    def test_one_is_named_and_no_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.run(["math"], {"json._gone": "libgone", "json.scanner": "libscan"})
        assert capsys.readouterr().out == "left out: json._gone, which is for libgone\n"

    def test_another_is_an_error(self) -> None:
        with pytest.raises(AssertionError, match=r"json\._gone"):
            self.run(["json.decoder", "json._gone"], {})

    def test_one_that_is_there_and_does_not_load_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "half").mkdir()
        (tmp_path / "half/__init__.py").touch()
        (tmp_path / "half/there.py").write_text("import half._forgotten\n")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(ModuleNotFoundError, match=r"half\._forgotten"):
            self.run([], {"half.there": "libhalf"})
