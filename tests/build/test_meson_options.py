"""Arguments of `meson setup` against the options of a project, with the real Meson."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.farm import builds_of, make_farm
from support.raised import raised
from wheelfarm.build.meson import MesonOption, check_meson_options, find_problems, read_options
from wheelfarm.errors import RecipeError

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.build import Build

OPTIONS = {
    option.name: option
    for option in (
        MesonOption(name="blas", type="string"),
        MesonOption(name="use-ilp64", type="boolean"),
        MesonOption(name="detect", type="combo", choices=("enabled", "disabled", "auto")),
        MesonOption(name="level", type="integer"),
        MesonOption(name="order", type="array", choices=("mkl", "openblas")),
        MesonOption(name="simd", type="array"),
        MesonOption(name="buildtype", type="combo", choices=("debug", "release")),
        MesonOption(name="sub:x", type="boolean"),
    )
}


@pytest.mark.parametrize(
    "argument",
    [
        "-Dblas=anything at all",
        "-Dblas=",
        "-Duse-ilp64=true",
        "-Ddetect=auto",
        "-Dlevel=-3",
        "-Dorder=mkl,openblas",
        "-Dorder=['mkl', \"openblas\"]",
        "-Dorder=[]",
        "-Dorder=",
        "-Dsimd=whatever",
        "--buildtype=release",
        "--wrap-mode=nodownload",
        "--prefix=/usr",
        "-Dother:y=true",
        "-Dsub:x=false",
        "--reconfigure",
        "release",
    ],
)
def test_what_fits(argument: str) -> None:
    assert list(find_problems([argument], OPTIONS)) == []


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        ("-Dblass=openblas", "the project's Meson has no option 'blass': did you mean 'blas'?"),
        ("-Duse-ilp64=yes", "it is a boolean: true or false"),
        ("-Duse-ilp64=True", "it is a boolean: true or false"),
        ("-Ddetect=enable", "did you mean 'enabled'?"),
        ("-Dlevel=high", "it is an integer"),
        ("-Dorder=mkl,openbls", "'openbls': did you mean 'openblas'?"),
        ("-Dblas", "it gives 'blas' no value"),
        ("--buildtype=relase", "did you mean 'release'?"),
        ("-Dsub:x=1", "it is a boolean: true or false"),
    ],
)
def test_what_does_not(argument: str, why: str) -> None:
    assert list(find_problems([argument], OPTIONS)) == [(argument, why)]


def test_an_option_in_two_words() -> None:
    assert [argument for argument, _ in find_problems(["-D", "blass=x", "-Dblas=x"], OPTIONS)] == [
        "-Dblass=x"
    ]
    assert [argument for argument, _ in find_problems(["-D"], OPTIONS)] == []


def build_with(root: Path, arguments: list[str]) -> Build:
    settings = make_farm(root / "farm", {"alpha": {"config-settings": {"setup-args": arguments}}})
    return builds_of(settings)["alpha"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "source"
    tree.mkdir()
    (tree / "meson.build").write_text("project('alpha', 'c')\n")
    (tree / "meson.options").write_text(
        "option('blas', type: 'string', value: 'auto')\n"
        "option('detect', type: 'feature')\n"
        "option('order', type: 'array', choices: ['a', 'b'])\n"
    )
    return tree


def test_the_options_are_those_of_the_real_meson(tmp_path: Path, tree: Path) -> None:
    right = ["-Dblas=openblas", "-Ddetect=enabled", "-Dorder=b", "-Dbuildtype=release", "-Dc_args=-O1"]
    env = {"PATH": os.environ["PATH"]}
    assert check_meson_options(build_with(tmp_path / "right", right), tree, env) is None
    wrong = build_with(tmp_path / "wrong", ["-Dblos=x", "-Ddetect=yes", "-Dorder=c", "-Dbuildtype=fast"])
    errors = raised(lambda: check_meson_options(wrong, tree, env), RecipeError)
    assert [error.what.rpartition(" ")[2] for error in errors] == [
        "-Dblos=x",
        "-Ddetect=yes",
        "-Dorder=c",
        "-Dbuildtype=fast",
    ]
    assert errors[0].where == "recipes/alpha/recipe.toml"
    assert "did you mean 'blas'?" in str(errors[0].why)


def test_options_that_cannot_be_checked_are_reported(tmp_path: Path, tree: Path) -> None:
    build = build_with(tmp_path, ["-Dblas=x"])
    assert (
        check_meson_options(build, tree, {"PATH": ""}) == "setup-args are not checked: there is no meson here"
    )
    (tree / "meson.build").write_text("project(")
    found = check_meson_options(build, tree, {"PATH": os.environ["PATH"]})
    assert str(found).startswith("setup-args are not checked: meson introspect fails")
    nothing = build_with(tmp_path / "nothing", [])
    assert check_meson_options(nothing, tree, {"PATH": ""}) is None


def test_what_introspect_prints() -> None:
    text = '[{"name": "a", "type": "combo", "choices": ["x"]}, {"name": "b", "type": "string"}]'
    assert read_options(text) == {
        "a": MesonOption(name="a", type="combo", choices=("x",)),
        "b": MesonOption(name="b", type="string"),
    }
