"""The options that a project declares for Meson and CMake."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelfarm.recipes.draft.build_options import BuildOption, cmake_options, meson_options

if TYPE_CHECKING:
    from pathlib import Path

MESON: Final = """\
# option('old', type: 'string')
option('blas', type: 'string', value: 'openblas',
        description: 'option for BLAS library switching')
option('use-ilp64', type: 'boolean', value: false, description: 'ILP64 (64-bit integers)')
option('system-libs', type: 'array', choices: ['none', 'all', 'boost'], value: ['none'])
option('fortran', type: 'feature')
"""
CMAKE: Final = """\
project(leaf)
option(LEAF_TESTS "Build the \\"tests\\"" OFF)
OPTION ( LEAF_SIMD "Use SIMD" ${DEFAULT_SIMD} )
cmake_dependent_option(LEAF_CUDA "With CUDA" ON "HAVE_CUDA" OFF)
# option(LEAF_OLD "Gone" ON)
option(LEAF_PLAIN "No value")
"""


def test_options_of_meson(tmp_path: Path) -> None:
    (tmp_path / "meson.options").write_text(MESON)
    assert meson_options(tmp_path) == (
        BuildOption(
            name="blas", default="openblas", description="option for BLAS library switching (string)"
        ),
        BuildOption(name="use-ilp64", default="false", description="ILP64 (64-bit integers) (boolean)"),
        BuildOption(name="system-libs", default="['none']", description="(none, all, boost)"),
        BuildOption(name="fortran", default="", description="(feature)"),
    )


def test_options_of_cmake(tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(CMAKE)
    assert cmake_options(tmp_path) == (
        BuildOption(name="LEAF_TESTS", default="OFF", description='Build the "tests"'),
        BuildOption(name="LEAF_SIMD", default="", description="Use SIMD"),
        BuildOption(name="LEAF_CUDA", default="ON", description="With CUDA"),
        BuildOption(name="LEAF_PLAIN", default="OFF", description="No value"),
    )


def test_a_project_without_option_files_has_none(tmp_path: Path) -> None:
    assert meson_options(tmp_path) == cmake_options(tmp_path) == ()


@given(st.text(max_size=200))
def test_any_text_is_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    tree = tmp_path_factory.mktemp("tree")
    for name in ("meson_options.txt", "CMakeLists.txt"):
        (tree / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    assert isinstance(meson_options(tree), tuple)
    assert isinstance(cmake_options(tree), tuple)


@pytest.mark.parametrize(
    "text", ["option('a', " + "[]" * 5000, "option('a', " + "'" * 9999, "option(" * 9999]
)
def test_a_declaration_that_does_not_end_takes_no_longer(tmp_path: Path, text: str) -> None:
    (tmp_path / "meson.options").write_text(text)
    (tmp_path / "CMakeLists.txt").write_text(text + 'option(A "' + "\\" * 9999)
    started = time.process_time()
    assert meson_options(tmp_path) == cmake_options(tmp_path) == ()
    assert time.process_time() - started < 1
