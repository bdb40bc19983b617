"""The build cache of the host engine: a Meson project, real ninja, the real ccache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.cached_builds import NAME, WITHOUT, made, run, sha256

if TYPE_CHECKING:
    from pathlib import Path

    from support.index import Index

pytestmark = pytest.mark.slow

TABLE, TRIAL, TWO = (f"native/{name}" for name in ("table.txt", "trial.c", "two.c"))


def test_only_what_has_changed_is_compiled_and_the_wheel_is_that_of_a_clean_build(
    tmp_path: Path, meson_index: Index
) -> None:
    farm = tmp_path / "farm"
    first = run(farm, meson_index)
    values, cached, missed = made(first)
    assert (values, cached) == ("13 2 7 1 5 3", False)
    assert sorted(missed) == ["ext.c", "one.c", "trial.c", "two.c"]
    # A compile, a generator's input, and what Meson tries.
    changed = {TWO: "int two(void) { return 20; }\n", TABLE: "6\n", TRIAL: "#error no\n"}
    second = run(farm, meson_index, changed)
    values, cached, missed = made(second)
    assert (values, cached) == ("13 20 7 0 6 3", True)
    assert sorted(missed) == ["ext.c", "two.c"]
    assert second.outcomes[NAME].warnings == ()
    clean = run(farm, meson_index, changed, settings=WITHOUT)
    assert made(clean) == ("13 20 7 0 6 3", False, ())
    assert sha256(clean) == sha256(second)
    # Taken back: what was made of the patched files is newer than the files.
    third = run(farm, meson_index)
    assert made(third) == ("13 2 7 1 5 3", True, ())
    assert sha256(third) == sha256(first)


def test_a_header_that_comes_before_another_and_a_build_that_failed(
    tmp_path: Path, meson_index: Index
) -> None:
    one = run(tmp_path / "one", meson_index)
    # Another farm at the same place, with the same inputs, goes on from it.
    two = run(tmp_path / "two", meson_index)
    assert made(two) == ("13 2 7 1 5 3", True, ())
    assert sha256(one) == sha256(two)
    # Nothing that ninja looks at has changed.
    values, cached, _ = made(
        run(tmp_path / "two", meson_index, {"native/first/header.h": "#define HEADER 9\n"})
    )
    assert (values, cached) == ("19 2 7 1 5 9", False)
    failed = run(tmp_path / "two", meson_index, {TWO: "#error no\n"})
    assert failed.states == {NAME: "failed"}
    # Nobody knows what it left, so that is not gone on from; the compiler cache knows.
    assert list((tmp_path / "stages").glob("*.cache")) == []
