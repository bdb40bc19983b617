"""What is said of a rebuild that compiled much again, and which wheels a release takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.farm import make_farm, make_toolchain
from support.records import sample_inputs, sample_record
from wheelfarm.build.error_patterns import Failure
from wheelfarm.build.hints import find_hints
from wheelfarm.model import CacheUse, Digest, NonSourceFile, RepairedWheel
from wheelfarm.plan.inputs import SourceInput
from wheelfarm.recipes.source_table import BuiltSource
from wheelfarm.run.recorded_inputs import recorded_build
from wheelfarm.run.recording import slow_compiles

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.provenance.record import Record

WHOLE = CacheUse(hits=0, misses=100, missed=("a.c",))
KEYS = {"source": "1", "environment.CFLAGS": "-O2", "compiler.c": "gcc 12"}


def record(use: CacheUse | None, **changes: object) -> Record:
    return sample_record(**{"compiler_cache": use, "build_cache": False, "key_parts": KEYS, **changes})


def test_the_inputs_that_differ_are_named() -> None:
    keys = {"source": "2", "environment.CFLAGS": "-O3", "compiler.c": "gcc 12"}
    use = CacheUse(hits=20, misses=80, missed=("a.c", "b.c", "c.c", "d.c"))
    (warning,) = slow_compiles(record(use, key_parts=keys), record(WHOLE))
    assert warning == (
        "the compiler cache spared 20% only: 80 of 100 compiled again, first a.c, b.c, c.c; "
        "what differs: environment.CFLAGS, source"
    )


def test_of_many_the_first_are_named() -> None:
    keys = dict.fromkeys(("a", "b", "c", "d"), "other")
    (warning,) = slow_compiles(record(WHOLE, key_parts=keys), record(WHOLE))
    assert warning.endswith("what differs: a, b, c, 4 more")


def test_where_nothing_differs_it_is_the_cache() -> None:
    (warning,) = slow_compiles(record(WHOLE), record(WHOLE))
    assert warning.endswith("what differs: no part of the build key, so the cache may be too small or new")


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (record(CacheUse(hits=90, misses=10)), record(WHOLE)),
        (record(WHOLE), None),
        (record(WHOLE), record(None)),
        (record(None), record(WHOLE)),
        (record(CacheUse(hits=0, misses=0)), record(WHOLE)),
        # A patch changes source lines, which are to be compiled again.
        (record(WHOLE, key_parts=KEYS | {"patch.1.0001-other.patch": "2"}), record(WHOLE)),
        # From a build cache only what has changed is compiled.
        (record(CacheUse(hits=0, misses=1), build_cache=True), record(CacheUse(hits=0, misses=1))),
    ],
    ids=["enough", "first", "no cache before", "no cache", "nothing to compile", "patch", "build cache"],
)
def test_nothing_is_said(now: Record, before: Record | None) -> None:
    assert slow_compiles(now, before) == ()


@pytest.mark.parametrize("use", [None, WHOLE])
@pytest.mark.parametrize("changes", [{"build_cache": True}, {}], ids=["build cache", "new"])
def test_what_was_built_from_nothing(tmp_path: Path, use: CacheUse | None, changes: dict[str, bool]) -> None:
    """A build from a build cache that had nothing to compile used no compiler cache either."""
    expected = use is None and not changes
    assert record(use, **changes).from_nothing is expected
    wheel = RepairedWheel(
        path=tmp_path, sha256=Digest("a" * 64), cache_use=use, build_cache="build_cache" in changes
    )
    assert wheel.from_nothing is expected


def test_a_cache_that_fails_is_named() -> None:
    line = "ccache: error: Failed to create directory /cache/lock: Read-only file system"
    assert find_hints(Failure.OTHER, line).hint == "say --no-compiler-cache, or see to the cache's directory"


def test_a_recorded_source_is_handled_as_it_was(tmp_path: Path) -> None:
    pins = SourceInput(kind="sdist", sha256=Digest("b" * 64), subdirectory="python", remove=("build/*",))
    files = (
        NonSourceFile(
            file="t/x[1].so", kind="ELF binary", sha256=Digest("c" * 64), reason="data", in_wheel=False
        ),
        NonSourceFile(
            file="x.exe", kind="PE or DOS binary", sha256=Digest("d" * 64), reason="launcher", in_wheel=True
        ),
    )
    then = sample_record(inputs=sample_inputs(source=pins), non_source=files)
    build = recorded_build(then, make_toolchain(), (), make_farm(tmp_path))
    source = build.recipe.table.source
    assert isinstance(source, BuiltSource)
    assert (source.subdirectory, source.remove) == ("python", ["build/*"])
    assert (source.allow, source.allow_in_wheel) == ({"t/x[[]1].so": "data"}, {"x.exe": "launcher"})
    assert build.inputs is not None
    assert build.inputs.source == pins


def test_what_a_recipe_allowed_is_allowed_when_its_wheel_is_reproduced(tmp_path: Path) -> None:
    inputs = sample_inputs(processor="vendor_id: then", allowed_rpaths=("pkg/_a*",))
    toolchain, farm = make_toolchain(processor="vendor_id: now"), make_farm(tmp_path)
    build = recorded_build(sample_record(inputs=inputs), toolchain, (), farm)
    assert build.inputs is not None
    assert (build.inputs.allowed_rpaths, build.inputs.processor) == (("pkg/_a*",), "vendor_id: now")
    plain = recorded_build(sample_record(inputs=sample_inputs()), toolchain, (), farm)
    assert plain.inputs is not None
    assert plain.inputs.processor is None


@pytest.mark.parametrize("target", ["cp312-manylinux_x86_64", "manylinux_x86_64"])
def test_what_a_wheel_serves_is_the_same_when_it_is_reproduced(tmp_path: Path, target: str) -> None:
    then = sample_record(inputs=sample_inputs(target=target, compilers={"c": "gcc 12"}))
    build = recorded_build(then, make_toolchain(), (), make_farm(tmp_path))
    assert build.inputs is not None
    assert build.inputs.target == target
