"""Arguments of `meson setup` against the options that a project has, asked from the real Meson."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from support.farm import builds_of, make_farm
from support.raised import raised
from wheelfarm.build.meson import MesonOption, check_meson_options, introspect, problems_of, read_options
from wheelfarm.errors import ProcessError, RecipeError
from wheelfarm.sources.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable
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
    assert list(problems_of([argument], OPTIONS)) == []


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
    assert list(problems_of([argument], OPTIONS)) == [(argument, why)]


def test_an_option_in_two_words() -> None:
    assert [argument for argument, _ in problems_of(["-D", "blass=x", "-Dblas=x"], OPTIONS)] == ["-Dblass=x"]
    assert [argument for argument, _ in problems_of(["-D"], OPTIONS)] == []


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


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_the_real_meson_is_asked(tmp_path: Path, tree: Path, cache: Cache) -> None:
    right = ["-Dblas=openblas", "-Ddetect=enabled", "-Dorder=b", "-Dbuildtype=release", "-Dc_args=-O1"]
    env = {"PATH": os.environ["PATH"]}
    assert check_meson_options(build_with(tmp_path / "right", right), tree, env, cache) is None
    wrong = build_with(tmp_path / "wrong", ["-Dblos=x", "-Ddetect=yes", "-Dorder=c", "-Dbuildtype=fast"])
    errors = raised(lambda: check_meson_options(wrong, tree, env, cache), RecipeError)
    assert [error.what.rpartition(" ")[2] for error in errors] == [
        "-Dblos=x",
        "-Ddetect=yes",
        "-Dorder=c",
        "-Dbuildtype=fast",
    ]
    assert errors[0].where == "recipes/alpha/recipe.toml"
    assert "did you mean 'blas'?" in str(errors[0].why)


def test_what_cannot_be_asked_is_said(tmp_path: Path, tree: Path, cache: Cache) -> None:
    build = build_with(tmp_path, ["-Dblas=x"])
    assert (
        check_meson_options(build, tree, {"PATH": ""}, cache)
        == "setup-args are not checked: there is no meson here"
    )
    (tree / "meson.build").write_text("project(")
    said = check_meson_options(build, tree, {"PATH": os.environ["PATH"]}, cache)
    assert str(said).startswith("setup-args are not checked: meson introspect fails")
    nothing = build_with(tmp_path / "nothing", [])
    assert check_meson_options(nothing, tree, {"PATH": ""}, cache) is None


class TestAskedOnce:
    """What was asked of the same files is not asked again; anything else is."""

    @pytest.fixture
    def env(self, tmp_path: Path) -> dict[str, str]:
        """With a Meson that tells when it is asked."""
        real, stand_in = shutil.which("meson"), tmp_path / "bin" / "meson"
        stand_in.parent.mkdir()
        stand_in.write_text(f'#!/bin/sh\necho x >> {tmp_path}/asked\nexec {real} "$@"\n')
        stand_in.chmod(0o755)
        return {"PATH": f"{stand_in.parent}:{os.environ['PATH']}"}

    @pytest.fixture
    def asks(self, tmp_path: Path, tree: Path, env: dict[str, str], cache: Cache) -> Callable[..., bool]:
        """Whether Meson is asked, and the answer."""

        def asks(**more: str) -> bool:
            told = tmp_path / "asked"
            told.write_text("")
            answer = introspect(tree, env | more, cache)
            assert answer is not None
            assert "blas" in read_options(answer)
            return told.read_text() != ""

        return asks

    def test_the_same(self, asks: Callable[..., bool], tree: Path) -> None:
        assert asks()
        assert not asks()
        (tree / "other.c").touch()
        assert not asks()

    @pytest.mark.parametrize(
        "name", ["meson.build", "meson.options", "sub/meson.build", "sub/meson_options.txt"]
    )
    def test_other_files(self, asks: Callable[..., bool], tree: Path, name: str) -> None:
        (tree / "sub").mkdir()
        asks()
        with (tree / name).open("a") as file:
            file.write("# another\n")
        assert asks()
        assert not asks()

    def test_another_environment_or_program(self, asks: Callable[..., bool], tmp_path: Path) -> None:
        asks()
        assert asks(CC="gcc")
        assert not asks()
        os.utime(tmp_path / "bin" / "meson", (1, 1))
        assert asks()

    def test_a_cache_that_is_damaged_or_cannot_be_written(
        self, asks: Callable[..., bool], cache: Cache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asks()
        (kept,) = cache.root.rglob("options.json")
        kept.write_text("half")
        assert asks()
        assert not asks()

        def full(*_words: object, **_more: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Cache, "store", full)
        assert asks(CC="gcc")
        assert asks(CC="gcc")

    def test_a_failure_is_not_kept(self, tree: Path, env: dict[str, str], cache: Cache) -> None:
        (tree / "sub").mkdir()
        (tree / "sub" / "meson.build").symlink_to("nowhere")
        (tree / "meson.build").write_text("project(")
        for _ in range(2):
            with pytest.raises(ProcessError):
                introspect(tree, env, cache)


def test_what_introspect_prints() -> None:
    text = '[{"name": "a", "type": "combo", "choices": ["x"]}, {"name": "b", "type": "string"}]'
    assert read_options(text) == {
        "a": MesonOption(name="a", type="combo", choices=("x",)),
        "b": MesonOption(name="b", type="string"),
    }
