"""What a drafted recipe says of Pythons and of files that are not source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from wheelfarm.recipes.draft.recipe_choices import dispatched_globs, file_globs, recipe_python


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
