"""Splits: which members each gets, what its metadata says, and what the gate asks of it."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.metadata import Metadata

from support.archives import digest
from support.farm import builds_of, make_farm
from support.raised import only, raised
from support.wheels import make_wheel
from wheelfarm.build.splits import divide, split_as_build, split_metadata
from wheelfarm.errors import RecipeError, SplitError
from wheelfarm.model import Name, RepairedWheel
from wheelfarm.wheels.archive import open_wheel, verify

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.build import Build
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

    def test_the_same_twice(self, tmp_path: Path) -> None:
        build = build_with(tmp_path, {"tests": {"install-tags": ["tests"]}})
        (tmp_path / "one").mkdir()
        one = divided(tmp_path / "one", build, whole(tmp_path), PLAN)
        (tmp_path / "two").mkdir()
        two = divided(tmp_path / "two", build, whole(tmp_path), PLAN)
        assert [w.path.read_bytes() for w in one.values()] == [w.path.read_bytes() for w in two.values()]

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

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
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

    def test_its_summary(self, tmp_path: Path) -> None:
        build = build_with(tmp_path, {"tests": {"install-tags": ["tests"], "summary": "its tests"}})
        ((name, split),) = build.splits.items()
        assert "\nSummary: its tests\n" in split_metadata(split, name, whole(tmp_path), METADATA)


class TestSubject:
    def test_what_the_main_wheel_may_need_and_what_repair_put_into_it(self, tmp_path: Path) -> None:
        splits = {"tests": {"install-tags": ["tests"], "imports": ["alpha.tests"]}}
        expect = {"needs": ["libc.so.6"], "stripped": True, "tests": False, "vendors": ["libx*"]}
        build = build_with(tmp_path, splits, expect=expect)
        main, tests = divided(tmp_path, build, whole(tmp_path), PLAN).values()
        found = split_as_build(build, Name("alpha-tests"), main=main, wheel=tests)
        assert found.id.name == "alpha-tests"
        assert found.resolved.test.imports == ["alpha.tests"]
        assert found.resolved.expect.model_dump(exclude_none=True) == {
            "needs": ["libc.so.6", "libx-12.so"],
            "stripped": True,
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
