"""Config settings that a backend does not take, and Meson's options and install tags, with the real Meson."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import builds_of, make_farm
from support.raised import only, raised
from wheelfarm.build.backends import (
    check_install_tags,
    check_keys,
    check_meson_options,
    find_problems,
    parse_tags,
    with_tags,
)
from wheelfarm.errors import RecipeError

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.build import Build


def build_with(root: Path, config_settings: dict[str, Any], **recipe: Any) -> Build:
    return builds_of(make_farm(root, {"alpha": {"config-settings": config_settings, **recipe}}))["alpha"]


class TestKeys:
    @pytest.mark.parametrize(
        ("backend", "key", "hint"),
        [
            ("mesonpy", "setup-arg", "did you mean 'setup-args'?"),
            ("mesonpy", "build-dir", "valid are: compile-args, install-args, setup-args"),
            ("setuptools.build_meta", "build-option", "did you mean '--build-option'?"),
            ("setuptools.build_meta:__legacy__", "setup-args", None),
            ("hatchling.build", "anything", "valid are: (none)"),
        ],
    )
    def test_a_key_without_effect_is_an_error(
        self, tmp_path: Path, backend: str, key: str, hint: str | None
    ) -> None:
        error = only(lambda: check_keys(build_with(tmp_path, {key: "x"}), backend), RecipeError)
        assert error.what == f"{backend} takes no config setting {key!r}"
        assert error.where == "recipes/alpha/recipe.toml"
        assert hint is None or error.hint == hint

    @pytest.mark.parametrize(
        ("backend", "key"), [("mesonpy", "install-args"), ("setuptools.build_meta", "--build-option")]
    )
    def test_keys_with_an_effect(self, tmp_path: Path, backend: str, key: str) -> None:
        assert check_keys(build_with(tmp_path, {key: ["x"]}), backend) is None

    def test_an_unknown_backend_is_not_checked(self, tmp_path: Path) -> None:
        why = check_keys(build_with(tmp_path, {"any": "x"}), "their.own")
        assert why == "config settings are not checked: their.own publishes no list of what it takes"


OPTIONS: dict[str, dict[str, Any]] = {
    "blas": {"type": "string"},
    "use-ilp64": {"type": "boolean"},
    "detect": {"type": "combo", "choices": ["enabled", "disabled", "auto"]},
    "level": {"type": "integer"},
    "order": {"type": "array", "choices": ["mkl", "openblas"]},
    "simd": {"type": "array"},
    "buildtype": {"type": "combo", "choices": ["debug", "release"]},
    "sub:x": {"type": "boolean"},
}


class TestMesonOptions:
    @pytest.mark.parametrize(
        "argument",
        [
            *("-Dblas=anything at all", "-Dblas=", "-Duse-ilp64=true", "-Ddetect=auto", "-Dlevel=-3"),
            *("-Dorder=mkl,openblas", "-Dorder=['mkl', \"openblas\"]", "-Dorder=[]", "-Dorder="),
            *("-Dsimd=whatever", "--buildtype=release", "--wrap-mode=nodownload", "--prefix=/usr"),
            *("-Dother:y=true", "-Dsub:x=false", "--reconfigure", "release", "-D"),
        ],
    )
    def test_what_fits(self, argument: str) -> None:
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
    def test_what_does_not(self, argument: str, why: str) -> None:
        assert list(find_problems([argument], OPTIONS)) == [(argument, why)]

    def test_an_option_in_two_words(self) -> None:
        ((argument, _),) = find_problems(["-D", "blass=x", "-Dblas=x"], OPTIONS)
        assert argument == "-Dblass=x"

    def test_the_options_are_those_of_the_real_meson(self, tmp_path: Path) -> None:
        tree = tmp_path / "source"
        tree.mkdir()
        (tree / "meson.build").write_text("project('alpha', 'c')\n")
        (tree / "meson.options").write_text(
            "option('blas', type: 'string', value: 'auto')\n"
            "option('detect', type: 'feature')\n"
            "option('order', type: 'array', choices: ['a', 'b'])\n"
        )
        env = {"PATH": os.environ["PATH"]}
        right = ["-Dblas=openblas", "-Ddetect=enabled", "-Dorder=b", "-Dbuildtype=release", "-Dc_args=-O1"]
        build = build_with(tmp_path / "right", {"setup-args": right})
        assert check_meson_options(build, tree, env) is None
        wrong = ["-Dblos=x", "-Ddetect=yes", "-Dorder=c", "-Dbuildtype=fast"]
        faulty = build_with(tmp_path / "wrong", {"setup-args": wrong})
        errors = raised(lambda: check_meson_options(faulty, tree, env), RecipeError)
        assert [error.what.rpartition(" ")[2] for error in errors] == wrong
        assert errors[0].where == "recipes/alpha/recipe.toml"
        assert "did you mean 'blas'?" in str(errors[0].why)
        assert check_meson_options(build, tree, {"PATH": ""}) == (
            "setup-args are not checked: there is no meson here"
        )
        # A Meson that describes its options in another way.
        other = tmp_path / "bin" / "meson"
        other.parent.mkdir()
        other.write_text("""#!/bin/sh\necho '[{"name": "blas"}]'\n""")
        other.chmod(0o755)
        found = check_meson_options(build, tree, {"PATH": f"{other.parent}{os.pathsep}{env['PATH']}"})
        assert str(found).startswith("setup-args are not checked: meson introspect fails")
        (tree / "meson.build").write_text("project(")
        found = check_meson_options(build, tree, env)
        assert str(found).startswith("setup-args are not checked: meson introspect fails")
        nothing = build_with(tmp_path / "nothing", {"setup-args": []})
        assert check_meson_options(nothing, tree, {"PATH": ""}) is None


class TestInstallTags:
    @pytest.mark.parametrize(
        ("arguments", "tags"),
        [
            ([], None),
            (["-q"], None),
            (["--tags=a,b"], ("a", "b")),
            (["--tags", "a, b"], ("a", "b")),
            (["--tags=a", "--tags=b"], ("b",)),
            (["--tags"], ()),
        ],
    )
    def test_the_last_list_counts(self, arguments: list[str], tags: tuple[str, ...] | None) -> None:
        assert parse_tags(arguments) == tags

    def test_further_tags(self) -> None:
        assert with_tags(["--tags=a", "-q"], ["b", "a"]) == ("--tags=a", "-q", "--tags=a,b")
        assert with_tags(["-q"], ["b"]) == ("-q",)
        assert with_tags(["--tags=a"], []) == ("--tags=a",)

    def test_a_tag_of_two_wheels_and_a_tag_without_meson_are_errors(self, tmp_path: Path) -> None:
        splits = {"tests": {"install-tags": ["tests"]}}
        build = build_with(tmp_path, {"install-args": ["--tags=runtime,tests"]}, splits=splits)
        error = only(lambda: check_install_tags(build, meson=True), RecipeError)
        assert error.hint == "take tests out of config-settings.install-args"
        errors = raised(lambda: check_install_tags(build, meson=False), RecipeError)
        assert errors[0].why == "install tags are Meson's, and the source is not built by meson-python"
        check_install_tags(build_with(tmp_path / "well", {}, splits=splits), meson=True)
