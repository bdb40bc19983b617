"""Splits through the host engine: a Meson project by its install tags, a setuptools one by lists of files."""

from __future__ import annotations

import subprocess
import venv
import zipfile
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.store import check_tidy
from support.tiny import VARIANT, Run, run_farm, tiny_farm
from support.tinymeson import patch, with_tests
from wheelfarm.model import Name
from wheelfarm.provenance.record import Record
from wheelfarm.run.farm import Farm
from wheelfarm.wheels.archive import open_wheel, verify

if TYPE_CHECKING:
    from pathlib import Path

    from support.index import Index
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.wheels.archive import Wheel

NAME: Final = "tinymeson"
SPLIT: Final = "tinymeson-tests"
TESTS: Final = {"tests": {"install-tags": ["tests"], "imports": ["tinymeson.tests"]}}
SETTINGS: Final = {
    "patches": [{"file": "0001-tests.patch"}],
    "config-settings": {"install-args": ["--tags=runtime,python-runtime"]},
    "expect": {"tests": False},
}


def meson_farm(root: Path, index: Index, splits: dict[str, Any], **settings: Any) -> Settings:
    """A farm of the Meson project, with a test suite in it, and these splits."""
    return tiny_farm(
        root,
        index,
        {NAME: {**SETTINGS, "splits": splits}},
        settings={
            "stages": str(root.parent / "stages"),
            "cache": str(root.parent / "cache"),
            "compiler-cache": True,
            **settings,
        },
        patches={f"{NAME}/0001-tests.patch": patch(**with_tests())},
    )


def wheels(run: Run, name: str = NAME) -> list[Wheel]:
    """The stored wheels of a build, each of which is whole."""
    outcome = run.outcomes[name]
    assert outcome.error is None
    assert outcome.wheel is not None
    opened = [open_wheel(path) for path in (outcome.wheel, *outcome.splits)]
    for wheel in opened:
        verify(wheel)
    return opened


def installed(wheel: Wheel) -> set[str]:
    """What a wheel installs, but for its metadata."""
    return {member.name for member in wheel.members if not member.name.startswith(wheel.dist_info)}


def split_record(run: Run, name: str = SPLIT) -> Record:
    build = run.build(NAME)
    return Record.from_json(
        Farm(settings=run.settings).wheelhouse.record(VARIANT, build.key_of(Name(name))), name
    )


@pytest.mark.slow
def test_one_compile_makes_two_wheels_that_are_the_whole_together(tmp_path: Path, meson_index: Index) -> None:
    run = run_farm(meson_farm(tmp_path / "farm", meson_index, TESTS))
    main, tests = wheels(run)
    assert (main.name, tests.name, tests.version) == (NAME, SPLIT, "1.0")
    assert main.tags == tests.tags
    (extension,) = (name for name in installed(tests) if name.endswith(".so"))
    assert extension.startswith("tinymeson/_ext_tests.")
    assert installed(tests) == {
        extension,
        "tinymeson/tests/__init__.py",
        "tinymeson/tests/test_values.py",
    }
    assert tests.metadata.requires_dist == ("tinymeson==1.0",)
    record, of_split = run.record(NAME), split_record(run)
    assert (record.distribution, of_split.distribution, of_split.recipe) == (NAME, SPLIT, NAME)
    assert of_split.wheel.sha256 != record.wheel.sha256
    assert of_split.wheel.built_sha256 == record.wheel.built_sha256
    assert record.config_settings["install-args"] == (
        "--tags=runtime,python-runtime",
        "--tags=runtime,python-runtime,tests",
    )
    assert ("imports", "tinymeson, tinymeson.tests") in [
        (result["check"], result["found"]) for result in of_split.gate_results
    ]
    check_tidy(run.settings.wheelhouse, VARIANT)
    # Without the split, the same compile makes one wheel; nothing is compiled for that.
    whole_farm = meson_farm(tmp_path / "whole", meson_index, {})
    recipe = whole_farm.recipes / NAME / "recipe.toml"
    recipe.write_text(
        recipe.read_text().replace("python-runtime", "python-runtime,tests").replace("false", "true")
    )
    again = run_farm(whole_farm)
    (whole,) = wheels(again)
    assert installed(whole) == installed(main) | installed(tests)
    assert again.outcomes[NAME].build_cache
    assert again.outcomes[NAME].cache_use is not None
    assert again.outcomes[NAME].cache_use.compiles == 0


@pytest.mark.slow
def test_a_split_that_is_lost_or_changed_is_made_again(tmp_path: Path, meson_index: Index) -> None:
    settings = meson_farm(tmp_path / "farm", meson_index, TESTS)
    first = run_farm(settings)
    assert first.states == {NAME: "built"}
    assert run_farm(settings).states == {NAME: "cached"}
    _, tests = wheels(first)
    digest = split_record(first).wheel.sha256
    tests.path.write_bytes(b"damaged")
    again = run_farm(settings)
    assert (again.states, again.outcomes[NAME].why) == ({NAME: "built"}, f"{SPLIT} is missing or damaged")
    assert split_record(again).wheel.sha256 == digest
    # What must import is the gate's business.
    recipe = settings.recipes / NAME / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('["tinymeson.tests"]', '["tinymeson.tests.test_values"]'))
    assert run_farm(settings).states == {NAME: "checked"}
    recipe.write_text(recipe.read_text().replace("tests.test_values", "tests.missing"))
    failed = run_farm(settings)
    assert failed.states == {NAME: "failed"}
    assert "tinymeson.tests.missing" in str(failed.error(NAME).why)
    assert "tinymeson-tests" in failed.error(NAME).what


@pytest.mark.slow
def test_splits_that_cannot_be(tmp_path: Path, meson_index: Index) -> None:
    splits = {
        "tests": {"install-tags": ["tests", "runtime"]},
        "docs": {"install-tags": ["doc"]},
        "more": {"files": ["tinymeson/tests/*"]},
    }
    settings = meson_farm(tmp_path / "farm", meson_index, splits)
    error = run_farm(settings).error(NAME)
    assert error.what == f"both {NAME} and {SPLIT} ask for the install tag 'runtime'"
    recipe = settings.recipes / NAME / "recipe.toml"
    recipe.write_text(recipe.read_text().replace(', "runtime"]', "]"))
    errors = [str(each) for each in run_farm(settings).error(NAME).errors]  # type: ignore[attr-defined]
    assert len(errors) == 2
    assert "tinymeson-docs is empty" in errors[0]
    assert "tags are python-runtime, runtime, tests" in errors[0]
    assert f"{SPLIT} and tinymeson-more both get tinymeson/tests/" in errors[1]


FILES: Final = {"header": {"files": ["tinybase/*.h"], "summary": "what C needs"}}


@pytest.mark.slow
def test_a_list_of_files(tmp_path: Path, index: Index) -> None:
    settings = tiny_farm(tmp_path / "farm", index, {"tinybase": {"splits": FILES}})
    run = run_farm(settings)
    main, header = wheels(run, "tinybase")
    assert header.name == "tinybase-header"
    with zipfile.ZipFile(header.path) as archive:
        metadata = archive.read(f"{header.dist_info}/METADATA").decode()
    assert "Summary: what C needs\n" in metadata
    assert installed(header)
    assert all(name.endswith(".h") for name in installed(header))
    assert not any(name.endswith(".h") for name in installed(main))
    # What repair has vendored stays where it was.
    assert any(name.startswith("tinybase.libs/") for name in installed(main))
    env = tmp_path / "env"
    venv.create(env, with_pip=True)
    words = ["-m", "pip", "install", "--quiet", "--no-index", str(main.path), str(header.path)]
    subprocess.run([env / "bin" / "python", *words], check=True)
    subprocess.run([env / "bin" / "python", "-m", "pip", "check"], check=True, stdout=subprocess.DEVNULL)


def test_install_tags_are_mesons(tmp_path: Path, index: Index) -> None:
    settings = tiny_farm(tmp_path / "farm", index, {"tinybase": {"splits": TESTS}})
    error = run_farm(settings).error("tinybase")
    assert "install tags are Meson's" in str(error.why)
