"""What a drafted recipe says of Pythons and of files that are not source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from wheelfarm.recipes.draft.recipe_choices import (
    added_requirements,
    blas_settings,
    build_variables,
    dispatched_globs,
    file_globs,
    find_notes,
    find_optional_modules,
    find_questions,
    recipe_python,
    replaced_requirements,
    vendor_globs,
    vendored_globs,
)
from wheelfarm.recipes.draft.recipe_text import DraftedRecipe
from wheelfarm.recipes.draft.source_facts import inspect_source
from wheelfarm.recipes.draft.system_libraries import find_library
from wheelfarm.recipes.published_wheel import PublishedWheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.recipes.draft.source_facts import SourceFacts


@pytest.mark.parametrize(
    ("requires", "python"),
    [
        ("", None),
        (">=3.9", None),
        (">=3.8,!=3.9.*,<4", None),
        ("~=3.9", None),
        (">=3.12", ">=3.12"),
        (">=3.12.4", ">=3.12"),
        (">=3.9,<3.15", ">=3.11,<3.15"),
        (">=3.10,!=3.13.*", ">=3.11,!=3.13.*"),
        ("not a specifier", None),
    ],
)
def test_python_of_a_recipe_is_what_requires_python_says_beyond_the_default(
    requires: str, python: str | None
) -> None:
    assert recipe_python(requires) == python


@pytest.mark.parametrize(
    ("requires", "python"),
    [("", ">=3.11,<3.12"), (">=3.9,<4", ">=3.11,<3.12"), (">=3.11,!=3.13.*", ">=3.11,!=3.13.*,<3.12")],
)
def test_a_setup_py_of_numpy_distutils_is_for_no_python_from_3_12_on(requires: str, python: str) -> None:
    assert recipe_python(requires, distutils=True) == python
    assert recipe_python("not a specifier", distutils=True) == ">=3.11,<3.12"


@given(
    st.lists(
        st.builds(
            "{}3.{}{}".format,
            st.sampled_from([">=", "<", "!=", "<=", ">"]),
            st.integers(6, 20),
            st.sampled_from(["", ".0"]),
        ),
        max_size=3,
    )
)
def test_it_allows_the_same_feature_versions(clauses: list[str]) -> None:
    text = ",".join(clauses)
    found = SpecifierSet(recipe_python(text) or ">=3.11")
    for minor in range(11, 25):
        assert found.contains(f"3.{minor}") is SpecifierSet(text).contains(f"3.{minor}"), minor


def test_products_are_removed_and_other_files_are_allowed_with_a_question() -> None:
    removed, allowed = file_globs(
        {
            "pkg/a.so": "ELF binary",
            "pkg/b.so": "ELF binary",
            "build/lib/x.py": "product of an earlier build",
            "data/a.zst": "archive of a format that the farm does not open",
            "data/b.zip": "ELF binary in an archive: c.so",
        }
    )
    assert removed == {"pkg/*.so": "ELF binary", "build/lib/x.py": "product of an earlier build"}
    assert list(allowed) == ["data/a.zst", "data/b.zip"]
    assert all(reason.endswith("?") for reason in allowed.values())


def test_modules_above_the_baseline_are_allowed_by_their_names() -> None:
    modules = ["fuzz.a_avx2", "fuzz.b_avx2", "fuzz.distance.c_avx2", "fuzz.a_sse2", "fuzz.a", "d_ssse3"]
    found = dispatched_globs(modules)
    assert list(found) == [
        "instruction-set: *_ssse3.*",
        "instruction-set: fuzz/*_avx2.*",
        "instruction-set: fuzz/distance/*_avx2.*",
    ]
    assert dispatched_globs(["fuzz.a", "fuzz.a_sse2"]) == {}


@pytest.mark.parametrize(
    ("members", "globs"),
    [
        ([], []),
        (["leaf.libs/libyaml-0-2a1b2c3d.so.2.0.9", "leaf.libs/libyaml-0-00000000.so.2"], ["libyaml*"]),
        (["leaf.libs/libzmq-a1b2c3d4.so.5.2.4"], ["libzmq*"]),
        (["leaf.libs/libstdc++-a1b2c3d4.so.6"], ["libstdc++*"]),
        (["leaf/.dylibs/libxml2.2.dylib"], ["libxml2*"]),
        (["leaf.libs/msvcp140-a1b2c3d4.dll"], ["msvcp140*"]),
        (["leaf.libs/liblz4.so"], ["liblz4*"]),
    ],
)
def test_globs_of_vendored_libraries_have_no_hash_and_no_version(
    members: list[str], globs: list[str]
) -> None:
    assert vendor_globs(members) == globs


MESON: Final = '[build-system]\nrequires = ["meson-python", "numpy"]\nbuild-backend = "mesonpy"\n'
CMAKE: Final = '[build-system]\nrequires = ["scikit-build-core"]\nbuild-backend = "scikit_build_core.build"\n'


def facts_of(root: Path, files: Mapping[str, str]) -> SourceFacts:
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
    return inspect_source(root)


def published(*libraries: str) -> PublishedWheel:
    return PublishedWheel(
        filename="leaf.whl",
        packages=("leaf",),
        extensions=(),
        tests=False,
        libraries=libraries,
        linked={},
        needs=(),
        requires_dist=(),
    )


def test_fortran_without_blas_brings_only_the_libraries_of_its_compiler(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, {"pyproject.toml": MESON, "meson.build": "project('leaf', 'c', 'fortran')\n"})
    own = ["libgcc_s*", "libgfortran*", "libquadmath*"]
    assert vendored_globs(facts, None) == own
    wheel = published("libgfortran-91cc3cb1.so.3.0.0", "libgomp-a1b2c3d4.so.1")
    assert vendored_globs(facts, wheel) == ["libgcc_s*", "libgfortran*", "libgomp*", "libquadmath*"]
    assert (added_requirements(facts, ()), blas_settings(facts), build_variables(facts)) == ([], {}, {})


@pytest.mark.parametrize(
    ("files", "settings"),
    [
        ({"pyproject.toml": MESON, "meson.build": "project('l', 'fortran')\ndependency('lapack')\n"}, {}),
        (
            {
                "pyproject.toml": CMAKE,
                "CMakeLists.txt": "project(l Fortran)\nfind_package(LAPACK REQUIRED)\n",
            },
            {"cmake.define.BLA_PREFER_PKGCONFIG": "ON"},
        ),
    ],
)
def test_the_blas_of_the_variant_is_found_by_pkg_config(
    tmp_path: Path, files: dict[str, str], settings: dict[str, str]
) -> None:
    facts = facts_of(tmp_path, files)
    assert (added_requirements(facts, ()), blas_settings(facts)) == (["pkgconf>=2.3"], settings)
    # The variant says what may be in the wheel.
    assert vendored_globs(facts, None) is None
    assert not [each for each in find_questions(facts, published()) if "BLAS" in each]


def test_a_setup_py_of_numpy_distutils_gets_an_old_setuptools(tmp_path: Path) -> None:
    setup = "import pkg_resources\nfrom numpy.distutils.core import setup\nsetup(name='leaf')\n"
    facts = facts_of(tmp_path, {"setup.py": setup, "leaf.f": ""})
    assert replaced_requirements(facts) == {"setuptools": "setuptools<65.6"}
    assert build_variables(facts) == {"FFLAGS": "-std=legacy"}
    assert added_requirements(facts, ()) == ["numpy"]
    # Where the farm has a recipe for it, it is a host requirement.
    assert added_requirements(facts, {"numpy"}) == []


@pytest.mark.parametrize(("host", "run", "stated"), [(["numpy"], [], False), (["numpy"], ["numpy"], True)])
def test_what_is_compiled_against_numpy_and_does_not_require_it(
    tmp_path: Path, host: list[str], run: list[str], *, stated: bool
) -> None:
    recipe = DraftedRecipe(name="leaf", version="1", summary="", sha256="0" * 64, host=host, run=run)
    notes = find_notes(facts_of(tmp_path, {"setup.py": "", "a.c": ""}), None, recipe)
    assert any("does not state that it needs numpy to run" in note for note in notes) is not stated


def test_a_build_that_asks_for_the_processor_is_a_question(tmp_path: Path) -> None:
    text = CMAKE.replace('"scikit-build-core"', '"scikit-build-core", "py-cpuinfo>=9"')
    (question,) = find_questions(facts_of(tmp_path, {"pyproject.toml": text}), published())
    assert "asks for the processor of the machine" in question


def test_blas_that_may_be_left_out_and_downloads_are_questions(tmp_path: Path) -> None:
    text = "project(l)\nfind_package(BLAS)\nFetchContent_Declare(fmt)\n"
    found = find_questions(facts_of(tmp_path, {"pyproject.toml": CMAKE, "CMakeLists.txt": text}), published())
    assert [each.partition(".")[0] for each in found] == [
        "its build files look for BLAS or LAPACK",
        "CMakeLists",
    ]


def test_a_build_may_leave_out_what_is_linked_against_no_library_of_the_recipe() -> None:
    linked = {
        "pic._core": ("libjpeg", "libunknown"),
        "pic._rare": ("libunknown",),
        "pic._color": ("liblcms2",),
        "pic._fast": ("libgomp", "libgfortran"),
        "pic._rare_and_fast": ("libgomp", "libunknown"),
    }
    jpeg = find_library("links", "jpeg")
    assert jpeg
    assert find_optional_modules(linked, [jpeg]) == {
        "pic._rare": "libunknown",
        "pic._color": "liblcms2",
        "pic._rare_and_fast": "libunknown",
    }
    assert find_optional_modules({}, [jpeg]) == {}
