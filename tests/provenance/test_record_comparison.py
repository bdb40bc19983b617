from __future__ import annotations

from support.records import sample_record
from wheelfarm.provenance.record_comparison import compare_keys, input_difference


def test_inputs_that_two_builds_do_not_share() -> None:
    before = sample_record()
    after = sample_record(
        config_settings={"setup-args": ("-Dblas=netlib",)},
        environment={},
        toolchain={"gcc": "13.1.0"},
        key_parts={"cibuildwheel.build-verbosity": "1", "metadata.local-version": "team.1"},
    )
    assert input_difference(before, before) == {}
    assert input_difference(before, after) == {
        "config-settings.setup-args": {
            "before": "-Dblas=openblas -Dlapack=openblas",
            "after": "-Dblas=netlib",
        },
        "environment.CFLAGS": {"before": "-O2 -g0", "after": None},
        "toolchain.gcc": {"before": "12.2.0", "after": "13.1.0"},
        "cibuildwheel.build-verbosity": {"before": None, "after": "1"},
        "metadata.local-version": {"before": None, "after": "team.1"},
    }


def test_only_options_are_listed_where_one_wheel_has_no_record() -> None:
    found = input_difference(None, sample_record())
    assert list(found) == [
        *("engine", "variant", "patch.1", "config-settings.setup-args", "environment.CFLAGS")
    ]
    assert found["variant"] == {"before": None, "after": "openblas"}
    assert input_difference(None, None) == {}


def test_compare_says_what_changed() -> None:
    old = {"source": "a" * 64, "patches": "b" * 64, "target": "cp312", "same": "x"}
    new = {"source": "c" * 64, "compiler": "gcc 12", "target": "cp313", "same": "x"}
    assert compare_keys(old, new) == [
        "compiler was added: gcc 12",
        "patches was removed: it was bbbbbbbbbbbb",
        "source changed from aaaaaaaaaaaa to cccccccccccc",
        "target changed from cp312 to cp313",
    ]


def test_of_a_list_of_options_only_the_difference_is_said() -> None:
    old = {
        "config-settings.setup-args": '["-Da=1", "-Db=2"]',
        "compiler-flags": '[["*", ["-Os"]]]',
        "x": "[1",
    }
    new = {
        "config-settings.setup-args": '["-Da=1", "-Db=3"]',
        "compiler-flags": '[["*", ["-Os"]], ["hot/*", ["-O2"]]]',
        "x": "[]",
    }
    assert compare_keys(old, new) == [
        'compiler-flags has now ["hot/*", ["-O2"]]',
        'config-settings.setup-args has no longer "-Db=2", has now "-Db=3"',
        "x changed from [1 to []",
    ]
    assert compare_keys({"a": '["-x", "-y"]'}, {"a": '["-y", "-x"]'}) == [
        'a changed from ["-x", "-y"] to ["-y", "-x"]'
    ]
