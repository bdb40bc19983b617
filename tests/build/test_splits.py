"""Splits: their members, their metadata, what the gate checks, and real builds with splits."""

from __future__ import annotations

import subprocess
import venv
import zipfile
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.metadata import Metadata

from support.archives import digest
from support.farm import builds_of, make_farm
from support.raised import only, raised
from support.store import check_tidy
from support.tiny import VARIANT, Run, run_farm, tiny_farm
from support.tinymeson import patch, with_tests
from support.wheels import make_wheel
from wheelfarm.build.splits import divide, split_as_build, split_metadata
from wheelfarm.errors import RecipeError, SplitError
from wheelfarm.model import Name, RepairedWheel
from wheelfarm.provenance.record import Record
from wheelfarm.run.farm import Farm
from wheelfarm.wheels.archive import open_wheel, verify

if TYPE_CHECKING:
    from pathlib import Path

    from support.index import Index
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.wheels.archive import Wheel

FILES: dict[str, str | bytes] = {
    "alpha/__init__.py": "",
    "alpha/_ext.so": b"code",
    "alpha/_ext_tests.so": b"code",
    "alpha/tests/__init__.py": "",
    "alpha/tests/data/a.txt": "a",
    "alpha/sub/tests/test_a.py": "",
    "alpha.libs/libx-12.so": b"library",
    "alpha-1.0.dist-info/licenses/LICENSE": "free",
    "alpha-1.0.dist-info/entry_points.txt": "[console_scripts]\nalpha = alpha:main\n",
}
PLAN = {
    "{py_platlib}/alpha": "python-runtime",
    "{py_platlib}/alpha/_ext.so": "runtime",
    "{py_platlib}/alpha/_ext_tests.so": "tests",
    "{py_purelib}/alpha/tests": "tests",
    "{py_platlib}/alpha/sub/tests/test_a.py": "tests",
    "{bindir}/alpha": "tests",
}


def build_with(root: Path, splits: dict[str, Any], **recipe: Any) -> Build:
    return builds_of(make_farm(root / "farm", {"alpha": {"splits": splits, **recipe}}))["alpha"]


def whole(root: Path) -> Wheel:
    return open_wheel(make_wheel(root, "alpha", "1.0", FILES, requires=["beta>1"]))


def divided(root: Path, build: Build, wheel: Wheel, plan: dict[str, str]) -> dict[str, Wheel]:
    repaired = RepairedWheel(path=wheel.path, sha256=digest(wheel.path.read_bytes()))
    parts = divide(build, repaired, plan, root / "split")
    opened = {str(name): open_wheel(part.path) for name, part in parts.items()}
    for name, part in opened.items():
        verify(part)
        assert parts[Name(name)].sha256 == digest(part.path.read_bytes())
    return opened


def payload(wheel: Wheel) -> set[str]:
    return {member.name for member in wheel.members if not member.name.startswith(wheel.dist_info)}


class TestDivision:
    def test_by_install_tags(self, tmp_path: Path) -> None:
        build = build_with(tmp_path, {"tests": {"install-tags": ["tests"]}})
        parts = divided(tmp_path, build, whole(tmp_path), PLAN)
        assert payload(parts["alpha-tests"]) == {
            "alpha/_ext_tests.so",
            "alpha/tests/__init__.py",
            "alpha/tests/data/a.txt",
            "alpha/sub/tests/test_a.py",
        }
        assert payload(parts["alpha"]) == {"alpha/__init__.py", "alpha/_ext.so", "alpha.libs/libx-12.so"}
        (tmp_path / "again").mkdir()
        again = divided(tmp_path / "again", build, whole(tmp_path), PLAN)
        assert [w.path.read_bytes() for w in again.values()] == [w.path.read_bytes() for w in parts.values()]
        tests = parts["alpha-tests"]
        assert tests.path.name == "alpha_tests-1.0-py3-none-any.whl"
        copied = {member.name.partition("/")[2] for member in tests.members} - payload(tests)
        assert {"METADATA", "WHEEL", "RECORD", "licenses/LICENSE"} <= copied
        # Two distributions cannot both have a command of the same name.
        assert "entry_points.txt" not in copied

    def test_by_globs(self, tmp_path: Path) -> None:
        build = build_with(tmp_path, {"data": {"name": "other", "files": ["*.txt", "*/tests/*"]}})
        parts = divided(tmp_path, build, whole(tmp_path), {})
        assert list(parts) == ["alpha", "other"]
        assert "alpha/tests/data/a.txt" in payload(parts["other"])
        assert not payload(parts["alpha"]) & payload(parts["other"])
        with zipfile.ZipFile(parts["alpha"].path) as archive:
            assert "alpha-1.0.dist-info/entry_points.txt" in archive.namelist()

    def test_without_splits_it_is_the_repaired_wheel(self, tmp_path: Path) -> None:
        build, wheel = build_with(tmp_path, {}), whole(tmp_path)
        repaired = RepairedWheel(path=wheel.path, sha256=digest(b""))
        assert divide(build, repaired, {}, tmp_path / "split") == {"alpha": repaired}
        assert not (tmp_path / "split").exists()

    def test_what_has_no_tag_would_be_lost(self, tmp_path: Path) -> None:
        """scikit-learn's metrics/_dist_metrics.pxd: generated, installed, cimported, and without a tag."""
        plan = PLAN | {"{py_platlib}/alpha/_dist.pxd": "", "{datadir}/doc/alpha": ""}
        repaired = RepairedWheel(path=whole(tmp_path).path, sha256=digest(b""))
        tagged = {"config-settings": {"install-args": ["--tags=runtime"]}}
        build = build_with(tmp_path / "tagged", {"tests": {"install-tags": ["tests"]}}, **tagged)
        error = only(lambda: divide(build, repaired, plan, tmp_path / "split"), SplitError)
        assert error.what.endswith("without an install tag, no wheel gets alpha/_dist.pxd")
        assert not (tmp_path / "split").exists()
        # Where Meson installs everything, it is in the wheel.
        build = build_with(tmp_path / "whole", {})
        assert divide(build, repaired, plan, tmp_path / "split") == {"alpha": repaired}

    def test_what_cannot_be(self, tmp_path: Path) -> None:
        splits = {"a": {"files": ["alpha/tests/*"]}, "b": {"files": ["*/__init__.py"]}, "c": {"files": ["x"]}}
        wheel = whole(tmp_path)
        repaired = RepairedWheel(path=wheel.path, sha256=digest(b""))
        build = build_with(tmp_path, splits)
        errors = raised(lambda: divide(build, repaired, {}, tmp_path / "split"), SplitError)
        assert [error.what for error in errors] == [
            "alpha-b and alpha-a both get alpha/tests/__init__.py",
            "alpha-c is empty",
        ]
        build = build_with(tmp_path / "all", {"all": {"files": ["*"]}})
        error = only(lambda: divide(build, repaired, {}, tmp_path / "split"), SplitError)
        assert error.what == "nothing is left for alpha itself"
        build = build_with(tmp_path / "tag", {"docs": {"install-tags": ["doc"]}})
        error = only(lambda: divide(build, repaired, PLAN, tmp_path / "split"), SplitError)
        assert error.why == (
            f"nothing in {wheel.path.name} is of doc; tags are python-runtime, runtime, tests"
        )

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(tags=st.lists(st.sampled_from(["tests", "runtime", "devel"]), min_size=6, max_size=6))
    def test_each_member_goes_to_one(self, tmp_path_factory: pytest.TempPathFactory, tags: list[str]) -> None:
        root = tmp_path_factory.mktemp("each")
        names = [name for name in FILES if ".dist-info" not in name][:6]
        plan = {f"{{py_platlib}}/{name}": tag for name, tag in zip(names, tags, strict=True)}
        wheel = whole(root)
        build = build_with(root, {"tests": {"install-tags": ["tests"]}})
        if "tests" not in tags:
            raised(lambda: divided(root, build, wheel, plan), SplitError)
            return
        main, tests = divided(root, build, wheel, plan).values()
        assert payload(tests) == {name for name, tag in zip(names, tags, strict=True) if tag == "tests"}
        assert payload(main) | payload(tests) == payload(wheel)
        assert not payload(main) & payload(tests)


METADATA = """\
Metadata-Version: 2.4
Name: alpha
Version: 1.0
Summary: fast
License: line one
        line two
License-File: LICENSE
Keywords: fast
Requires-Python: >=3.11
Requires-Dist: beta>1
Requires-Dist: pytest; extra == "test"
Provides-Extra: test
Classifier: Programming Language :: C
Description-Content-Type: text/markdown

# alpha: not a field
"""


class TestMetadata:
    def test_it_is_core_metadata_under_another_name(self, tmp_path: Path) -> None:
        build = build_with(tmp_path, {"tests": {"install-tags": ["tests"]}})
        ((name, split),) = build.splits.items()
        text = split_metadata(split, name, whole(tmp_path), METADATA)
        parsed = Metadata.from_email(text.replace("License: line one\n        line two\n", ""))
        assert (parsed.name, str(parsed.version), parsed.summary) == (
            "alpha-tests",
            "1.0",
            "split off alpha",
        )
        assert [str(each) for each in parsed.requires_dist or ()] == [
            "alpha==1.0",
            'pytest; extra == "test"',
        ]
        assert (parsed.provides_extra, parsed.license_files) == (["test"], ["LICENSE"])
        assert str(parsed.requires_python) == ">=3.11"
        assert parsed.keywords is None
        assert parsed.description is None
        assert "License: line one\n        line two\n" in text


class TestGate:
    def test_what_the_main_wheel_may_need_and_what_repair_put_into_it(self, tmp_path: Path) -> None:
        splits = {"tests": {"install-tags": ["tests"], "imports": ["alpha.tests"]}}
        expect = {"needs": ["libc.so.6"], "stripped": True, "tests": False, "vendors": ["libx*"]}
        expect |= {"instruction-set": "x86-64-v2"}
        build = build_with(tmp_path, splits, expect=expect)
        main, tests = divided(tmp_path, build, whole(tmp_path), PLAN).values()
        found = split_as_build(build, Name("alpha-tests"), main=main, wheel=tests)
        assert found.id.name == "alpha-tests"
        assert found.resolved.test.imports == ["alpha.tests"]
        assert found.resolved.expect.model_dump(exclude_none=True) == {
            "needs": ["libc.so.6", "libx-12.so"],
            "stripped": True,
            "instruction_set": "x86-64-v2",
            "extensions": True,
        }


class TestKeys:
    def test_each_wheel_has_its_own_and_the_split_is_part_of_the_rebuild_key(self, tmp_path: Path) -> None:
        build = build_with(tmp_path, {"tests": {"install-tags": ["tests"]}})
        plain = build_with(tmp_path / "plain", {})
        assert build.distributions == ("alpha", "alpha-tests")
        assert build.key_of(Name("alpha")) == build.key != build.key_of(Name("alpha-tests"))
        assert build.key != plain.key
        imports = build_with(
            tmp_path / "imports", {"tests": {"install-tags": ["tests"], "imports": ["alpha"]}}
        )
        assert imports.key_parts == build.key_parts
        assert imports.gate_key != build.gate_key


class TestRecipe:
    @pytest.mark.parametrize("split", [{}, {"install-tags": ["a"], "files": ["b"]}])
    def test_one_way(self, tmp_path: Path, split: dict[str, Any]) -> None:
        error = only(lambda: build_with(tmp_path, {"tests": split}), RecipeError)
        assert error.why == "a split says either install-tags or files"
        assert str(error.where).endswith("splits.tests")

    def test_names(self, tmp_path: Path) -> None:
        recipes = {"alpha": {"splits": {"tests": {"files": ["x"]}}}, "alpha-tests": {}}
        error = only(lambda: builds_of(make_farm(tmp_path, recipes)), RecipeError)
        assert error.what == "two wheels of the farm would be called 'alpha-tests'"


NAME: Final = "tinymeson"
SPLIT: Final = "tinymeson-tests"
TESTS: Final = {"tests": {"install-tags": ["tests"], "imports": ["tinymeson.tests"]}}
TAGGED: Final = {
    "patches": [{"file": "0001-tests.patch"}],
    "config-settings": {"install-args": ["--tags=runtime,python-runtime"]},
    "expect": {"tests": False},
}


def meson_farm(root: Path, index: Index, splits: dict[str, Any]) -> Settings:
    """A farm of the Meson project, with a test suite in it, and these splits."""
    return tiny_farm(
        root,
        index,
        {NAME: {**TAGGED, "splits": splits}},
        settings={
            "stages": str(root.parent / "stages"),
            "cache": str(root.parent / "cache"),
            "compiler-cache": True,
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
    (extension,) = (name for name in payload(tests) if name.endswith(".so"))
    assert extension.startswith("tinymeson/_ext_tests.")
    assert payload(tests) == {
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
    assert payload(whole) == payload(main) | payload(tests)
    assert again.outcomes[NAME].build_cache
    assert again.outcomes[NAME].cache_use is not None
    assert again.outcomes[NAME].cache_use.compiles == 0


@pytest.mark.slow
def test_a_split_that_is_lost_or_changed_is_made_again(tmp_path: Path, meson_index: Index) -> None:
    farm = meson_farm(tmp_path / "farm", meson_index, TESTS)
    first = run_farm(farm)
    assert first.states == {NAME: "built"}
    assert run_farm(farm).states == {NAME: "cached"}
    _, tests = wheels(first)
    digest = split_record(first).wheel.sha256
    tests.path.write_bytes(b"damaged")
    again = run_farm(farm)
    assert (again.states, again.outcomes[NAME].why) == ({NAME: "built"}, f"{SPLIT} is missing or damaged")
    assert split_record(again).wheel.sha256 == digest
    # What must import is the gate's business.
    recipe = farm.recipes / NAME / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('["tinymeson.tests"]', '["tinymeson.tests.test_values"]'))
    assert run_farm(farm).states == {NAME: "checked"}
    recipe.write_text(recipe.read_text().replace("tests.test_values", "tests.missing"))
    failed = run_farm(farm)
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
    farm = meson_farm(tmp_path / "farm", meson_index, splits)
    error = run_farm(farm).error(NAME)
    assert error.what == f"both {NAME} and {SPLIT} ask for the install tag 'runtime'"
    recipe = farm.recipes / NAME / "recipe.toml"
    recipe.write_text(recipe.read_text().replace(', "runtime"]', "]"))
    errors = [str(each) for each in run_farm(farm).error(NAME).errors]  # type: ignore[attr-defined]
    assert len(errors) == 2
    assert "tinymeson-docs is empty" in errors[0]
    assert "tags are python-runtime, runtime, tests" in errors[0]
    assert f"{SPLIT} and tinymeson-more both get tinymeson/tests/" in errors[1]


HEADER: Final = {"header": {"files": ["tinybase/*.h"], "summary": "what C needs"}}


@pytest.mark.slow
def test_a_list_of_files(tmp_path: Path, index: Index) -> None:
    farm = tiny_farm(tmp_path / "farm", index, {"tinybase": {"splits": HEADER}})
    run = run_farm(farm)
    main, header = wheels(run, "tinybase")
    assert header.name == "tinybase-header"
    with zipfile.ZipFile(header.path) as archive:
        metadata = archive.read(f"{header.dist_info}/METADATA").decode()
    assert "Summary: what C needs\n" in metadata
    assert payload(header)
    assert all(name.endswith(".h") for name in payload(header))
    assert not any(name.endswith(".h") for name in payload(main))
    # What repair has vendored stays where it was.
    assert any(name.startswith("tinybase.libs/") for name in payload(main))
    env = tmp_path / "env"
    venv.create(env, with_pip=True)
    words = ["-m", "pip", "install", "--quiet", "--no-index", str(main.path), str(header.path)]
    subprocess.run([env / "bin" / "python", *words], check=True)
    subprocess.run([env / "bin" / "python", "-m", "pip", "check"], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_install_tags_are_mesons(tmp_path: Path, index: Index) -> None:
    farm = tiny_farm(tmp_path / "farm", index, {"tinybase": {"splits": TESTS}})
    error = run_farm(farm).error("tinybase")
    assert "install tags are Meson's" in str(error.why)
