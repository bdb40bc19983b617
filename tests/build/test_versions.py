"""The version of a source that computes it from a repository, which it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.farm import make_farm
from support.raised import only
from support.stages import build_for, make_stage
from wheelfarm.build.environment import build_environment
from wheelfarm.build.host_engine import Host
from wheelfarm.build.versions import check_version_source
from wheelfarm.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory


def stage_that_requires(name: str, tmp_path: Path, **recipe: Any) -> BuildDirectory:
    lock = f"{name}==1.0 --hash=sha256:{'b' * 64}\n"
    settings = make_farm(
        tmp_path / "farm", {"alpha": {"version": "3.1", **recipe}}, files={"recipes/alpha/build.lock": lock}
    )
    return make_stage(build_for(settings), Host(settings), tmp_path / "stage")


@pytest.mark.parametrize(
    ("requirement", "variable"),
    [
        ("setuptools-scm", "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("setuptools_scm", "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("hatch-vcs", "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("flit-scm", "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("pdm-backend", "PDM_BUILD_SCM_VERSION"),
        ("pbr", "PBR_VERSION"),
        ("setuptools", None),
    ],
)
def test_the_backend_gets_the_recipe_s_version(
    requirement: str, variable: str | None, tmp_path: Path
) -> None:
    variables = build_environment(stage_that_requires(requirement, tmp_path))
    assert {name: value for name, value in variables.items() if "VERSION" in name and "PIP" not in name} == (
        {variable: "3.1"} if variable else {}
    )
    assert variables["GIT_CEILING_DIRECTORIES"] == (tmp_path / "stage").as_posix()


def test_the_recipe_may_say_another(tmp_path: Path) -> None:
    stage = stage_that_requires("pbr", tmp_path, environment={"PBR_VERSION": "3.1.0"})
    assert build_environment(stage)["PBR_VERSION"] == "3.1.0"


@pytest.mark.parametrize(
    ("files", "good"),
    [
        ({}, False),
        ({"pyproject.toml": "[tool.versioningit]\n"}, False),
        ({"pyproject.toml": '[tool.versioningit]\ndefault-version = "3.1"\n'}, True),
        ({"PKG-INFO": "Version: 3.1\n"}, True),
    ],
)
def test_versioningit_takes_none_from_outside(files: dict[str, str], tmp_path: Path, *, good: bool) -> None:
    stage = stage_that_requires("versioningit", tmp_path)
    stage.tree.path.mkdir(parents=True)
    for name, text in files.items():
        (stage.tree.path / name).write_text(text)
    if good:
        check_version_source(stage)
    else:
        error = only(lambda: check_version_source(stage), SourceError)
        assert str(error.hint).endswith('under [tool.versioningit]: default-version = "3.1"')
