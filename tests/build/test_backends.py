"""Config settings that a backend does not take: most would ignore them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.farm import builds_of, make_farm
from support.raised import only
from wheelfarm.build.backends import check_config_settings
from wheelfarm.errors import RecipeError

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.build import Build


def build_with(root: Path, settings: dict[str, Any]) -> Build:
    return builds_of(make_farm(root, {"alpha": {"config-settings": settings}}))["alpha"]


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
def test_a_key_without_effect(tmp_path: Path, backend: str, key: str, hint: str | None) -> None:
    build = build_with(tmp_path, {key: "x"})
    error = only(lambda: check_config_settings(build, backend), RecipeError)
    assert error.what == f"{backend} takes no config setting {key!r}"
    assert error.where == "recipes/alpha/recipe.toml"
    assert hint is None or error.hint == hint


@pytest.mark.parametrize(
    ("backend", "key"), [("mesonpy", "install-args"), ("setuptools.build_meta", "--build-option")]
)
def test_keys_with_an_effect(tmp_path: Path, backend: str, key: str) -> None:
    assert check_config_settings(build_with(tmp_path, {key: ["x"]}), backend) is None


def test_an_unknown_backend_is_not_checked(tmp_path: Path) -> None:
    said = check_config_settings(build_with(tmp_path, {"any": "x"}), "their.own")
    assert said == "config settings are not checked: their.own publishes no list of what it takes"
