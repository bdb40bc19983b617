"""Settings: which value wins, its origin, and what is refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import platformdirs
import pytest

from support.farm import make_farm, write_farm
from support.raised import only
from wheelfarm.errors import GroupError, SettingsError, UsageError
from wheelfarm.model import EngineName, Python
from wheelfarm.recipes.settings import load

if TYPE_CHECKING:
    from pathlib import Path


def test_option_over_variable_over_pyproject_over_default(tmp_path: Path) -> None:
    root = write_farm(tmp_path, settings={"jobs": 1})
    variable = {"WHEELFARM_JOBS": "2"}
    option = {"jobs": "3"}
    for environ, options, jobs, origin in (
        (variable, option, 3, "--jobs"),
        (variable, {"jobs": None}, 2, "WHEELFARM_JOBS"),
        ({}, None, 1, "pyproject.toml"),
    ):
        settings = load(root, environ=environ, options=options)
        assert (settings.jobs, settings.origins["jobs"]) == (jobs, origin)
    settings = make_farm(tmp_path)
    assert (settings.jobs, settings.origins["jobs"]) == (len(os.sched_getaffinity(0)), "default")
    assert settings.origins["variant"] == settings.origins["index-url"] == "pyproject.toml"


def test_variables_and_options_are_read_as_their_key_wants(tmp_path: Path) -> None:
    root = write_farm(tmp_path)
    environ = {
        "WHEELFARM_TIME_LIMIT": "1.5",
        "WHEELFARM_OFFLINE": "True",
        "WHEELFARM_MEMORY": "1.5G",
        "WHEELFARM_ENGINE": "host",
        "WHEELFARM_CONTAINER_ENGINE": "podman",
        "WHEELFARM_WHEELHOUSE": "elsewhere",
        "WHEELFARM_MIRRORS": "https://a.invalid=https://m.invalid/a?x=1, ssh://b.invalid=file:///srv/b",
    }
    settings = load(root, environ=environ, options={"pythons": "3.13, 3.9,3.13,", "variant": "netlib"})
    assert settings.time_limit == 1.5
    assert settings.offline is True
    assert settings.memory == 1_500_000_000
    assert settings.engine is EngineName.HOST
    assert settings.container_engine == "podman"
    assert settings.wheelhouse == root / "elsewhere"
    assert settings.mirrors == {
        "https://a.invalid": "https://m.invalid/a?x=1",
        "ssh://b.invalid": "file:///srv/b",
    }
    assert settings.pythons == (Python(major=3, minor=9), Python(major=3, minor=13))
    assert settings.variant == "netlib"
    assert settings.origins["pythons"] == "--python"
    assert load(root, environ={"WHEELFARM_OFFLINE": "0"}).offline is False


@pytest.mark.parametrize(
    ("table", "option", "platforms"),
    [
        ({}, None, ()),
        ({"platform": "musllinux_x86_64"}, None, ("musllinux_x86_64",)),
        ({"platform": ["win_amd64", "win32", "win_amd64"]}, None, ("win_amd64", "win32")),
        (
            {"platform": ["win_amd64"]},
            "manylinux_x86_64, manylinux_aarch64",
            ("manylinux_x86_64", "manylinux_aarch64"),
        ),
    ],
)
def test_platforms_are_one_or_several_in_their_order(
    tmp_path: Path, table: dict[str, object], option: str | None, platforms: tuple[str, ...]
) -> None:
    root = write_farm(tmp_path, settings=table)
    assert load(root, environ={}, options={"platform": option}).platforms == platforms


@pytest.mark.parametrize(
    ("said", "release", "cache"),
    [
        ({}, False, True),
        ({"release": "1"}, True, False),
        ({"release": "1", "compiler-cache": "1"}, True, True),
        ({"compiler-cache": "false"}, False, False),
    ],
)
def test_a_release_is_built_from_nothing(
    tmp_path: Path, said: dict[str, str], *, release: bool, cache: bool
) -> None:
    settings = load(write_farm(tmp_path, settings={"compiler-cache": None}), environ={}, options=said)
    assert (settings.release, settings.compiler_cache) == (release, cache)


@pytest.mark.parametrize(
    ("table", "options", "uses"),
    [
        ({}, {}, False),
        ({}, {"trust-numpy-abi": "true"}, True),
        ({"trust-numpy-abi": True}, {}, True),
        ({"trust-numpy-abi": True}, {"trust-numpy-abi": "false"}, False),
        ({"trust-numpy-abi": True}, {"release": "true"}, False),
        ({"release": True}, {"trust-numpy-abi": "true"}, False),
    ],
)
def test_a_release_does_not_use_the_abi_of_numpy(
    tmp_path: Path, table: dict[str, object], options: dict[str, str], *, uses: bool
) -> None:
    root = write_farm(tmp_path, settings=table)
    assert load(root, environ={}, options=options).uses_numpy_abi is uses


def test_a_release_and_the_abi_of_numpy_exclude_each_other_as_options(tmp_path: Path) -> None:
    options = {"release": "true", "trust-numpy-abi": "true"}
    with pytest.raises(UsageError, match="--release and --trust-numpy-abi exclude each other"):
        load(write_farm(tmp_path), environ={}, options=options)


def test_paths_are_below_the_farm_and_the_cache_is_the_users(tmp_path: Path) -> None:
    settings = make_farm(tmp_path, settings={"cache": None, "recipes": "here"})
    assert settings.recipes == tmp_path / "here"
    assert settings.work == tmp_path / ".wheelfarm"
    assert settings.cache == platformdirs.user_cache_path("wheelfarm")
    assert make_farm(tmp_path).cache == tmp_path / "cache"


def test_images_of_variables_are_laid_over_those_of_the_farm(tmp_path: Path) -> None:
    images = {"manylinux_x86_64": "farm:1", "manylinux_aarch64": "farm:2"}
    environ = {"WHEELFARM_IMAGE_MANYLINUX_X86_64": "mine:1"}
    settings = make_farm(tmp_path, settings={"images": images}, environ=environ)
    assert settings.images == {"manylinux_x86_64": "mine:1", "manylinux_aarch64": "farm:2"}


@pytest.mark.parametrize(
    ("place", "near"),
    [
        ("manylinux_x86_46", "did you mean 'manylinux_x86_64'?"),
        ("manylinux-x86_64", "did you mean 'manylinux_x86_64'?"),
        ("musllinux_arch64", "did you mean 'musllinux_aarch64'?"),
    ],
)
def test_images_are_for_known_places(tmp_path: Path, place: str, near: str) -> None:
    root = write_farm(tmp_path / "table", settings={"images": {place: "farm:1"}})
    error = only(lambda: load(root, environ={}), SettingsError)
    assert (error.what, error.hint) == (f"bad key {place!r}", near)
    assert error.where == f"pyproject.toml: tool.wheelfarm: images.{place}"
    variable = f"WHEELFARM_IMAGE_{place.upper()}"
    error = only(lambda: make_farm(tmp_path / "variable", environ={variable: "farm:1"}), SettingsError)
    assert error.what == f"unknown variable {variable}"
    assert str(error.hint).startswith("did you mean 'WHEELFARM_IMAGE_M")


@pytest.mark.parametrize("key", ["wheelhouse", "work", "stages", "cache"])
def test_no_variable_or_option_empties_a_path(tmp_path: Path, key: str) -> None:
    root = write_farm(tmp_path)
    variable = f"WHEELFARM_{key.upper()}"
    error = only(lambda: load(root, environ={variable: ""}), SettingsError)
    assert str(error.where).startswith(variable)
    assert only(lambda: load(root, environ={}, options={key: ""}), UsageError).what == "bad value ''"


def test_the_process_environment_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHEELFARM_JOBS", "7")
    settings = load(write_farm(tmp_path))
    assert settings.jobs == 7
    assert settings.environ["WHEELFARM_JOBS"] == "7"


@pytest.mark.parametrize(
    ("table", "where", "what"),
    [
        ({"jbos": 1}, "jbos", "unknown key 'jbos'"),
        ({"jobs": "1"}, "jobs", "bad value '1'"),
        ({"jobs": True}, "jobs", "bad value True"),
        ({"jobs": -1}, "jobs", "bad value -1"),
        ({"time-limit": 0}, "time-limit", "bad value 0"),
        ({"memory": "12 GiB"}, "memory", "bad value '12 GiB'"),
        ({"compiler-cache-size": "5"}, "compiler-cache-size", "bad value '5'"),
        ({"workers": "scheduler:8786"}, "workers", "bad value 'scheduler:8786'"),
        ({"workers": "tcp://scheduler"}, "workers", "bad value 'tcp://scheduler'"),
        ({"workers-store": ""}, "workers-store", "bad value ''"),
        ({"pythons": []}, "pythons", "bad value []"),
        ({"pythons": ["3.11", "three"]}, "pythons[1]", "bad value 'three'"),
        ({"platform": []}, "platform", "bad value []"),
        ({"platform": ["win_amd64", "linux"]}, "platform[1]", "bad value 'linux'"),
        ({"workers-store": "s3://key:secret@bucket"}, "workers-store", "bad value 's3://***@bucket'"),
        ({"engine": "hots"}, "engine", "bad value 'hots'"),
        ({"container-engine": "lxc"}, "container-engine", "bad value 'lxc'"),
        ({"variants": {"plain": {"provider": "mlk"}}}, "variants.plain.provider", "bad value 'mlk'"),
        ({"variants": {"new": {}}}, "variants.new.description", "missing key 'description'"),
        ({"variants": {"plain": {"lock": ""}}}, "variants.plain.lock", "bad value ''"),
        ({"images": {"macosx_arm64": "farm:1"}}, "images.macosx_arm64", "bad key 'macosx_arm64'"),
        ({"mirrors": {"a.invalid": "https://b.invalid"}}, "mirrors.a.invalid", "bad key 'a.invalid'"),
        ({"mirrors": {"https://a": "https://u:p@b"}}, "mirrors.https://a", "bad value 'https://***@b'"),
        *(({key: ""}, key, "bad value ''") for key in ("recipes", "wheelhouse", "stages", "cache")),
    ],
)
def test_the_table_is_strict(tmp_path: Path, table: dict[str, object], where: str, what: str) -> None:
    error = only(lambda: make_farm(tmp_path, settings=table), SettingsError)
    assert error.where == f"pyproject.toml: tool.wheelfarm: {where}"
    assert error.what == what


@pytest.mark.parametrize("text", ["[tool]\nwheelfarm = 3", "tool = 3"])
def test_something_else_than_a_table_is_refused(tmp_path: Path, text: str) -> None:
    error = only(lambda: make_farm(tmp_path, files={"pyproject.toml": text}), SettingsError)
    assert (error.what, error.where) == (
        "bad value 3",
        "pyproject.toml: tool.wheelfarm: (the whole table)",
    )


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        *(("JOBS", "two"), ("JOBS", "-1"), ("TIME_LIMIT", "long"), ("OFFLINE", "maybe"), ("OFFLINE", "")),
        *(("PYTHONS", "three"), ("PYTHONS", ","), ("ENGINE", "hots")),
        *(("PLATFORM", "linux"), ("PLATFORM", "win_amd64,linux"), ("PLATFORM", ",")),
        *(("MEMORY", "much"), ("RELEASE", "yes"), ("COMPILER_CACHE", "on")),
        *(("MIRRORS", "https://a.invalid"), ("MIRRORS", "a.invalid=https://b.invalid")),
    ],
)
def test_a_bad_variable_is_named(tmp_path: Path, variable: str, text: str) -> None:
    root = write_farm(tmp_path)
    environ = {f"WHEELFARM_{variable}": text}
    # A good option beside it is not to blame.
    error = only(lambda: load(root, environ=environ, options={"wheelhouse": "x"}), SettingsError)
    assert str(error.where).startswith(f"WHEELFARM_{variable}")


@pytest.mark.parametrize(
    ("key", "text", "option"),
    [("jobs", "two", "--jobs"), ("jobs", "-1", "--jobs"), ("pythons", "three", "--python")],
)
def test_a_bad_option_is_a_mistake_of_usage(tmp_path: Path, key: str, text: str, option: str) -> None:
    root = write_farm(tmp_path)
    error = only(lambda: load(root, environ={"WHEELFARM_ENGINE": "host"}, options={key: text}), UsageError)
    assert str(error.where).startswith(option)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    environ = {"WHEELFARM_JOBS": "two", "WHEELFARM_X": "", "WHEELFARM_Y": ""}
    root = write_farm(tmp_path, settings={"a": 1, "b": 2})
    with pytest.raises(GroupError) as caught:
        load(root, environ=environ, options={"engine": "none", "time-limit": "x"})
    assert [error.what for error in caught.value.errors] == [
        "unknown key 'a'",
        "unknown key 'b'",
        "unknown variable WHEELFARM_X",
        "unknown variable WHEELFARM_Y",
        "bad value 'two'",
        "bad value 'none'",
        "bad value 'x'",
    ]


def test_an_unknown_variant_gets_the_nearest_name_and_its_origin(tmp_path: Path) -> None:
    root = write_farm(tmp_path)
    error = only(lambda: load(root, environ={}, options={"variant": "netlab"}), UsageError)
    assert (error.where, error.hint) == ("--variant", "did you mean 'netlib'?")
    settings = make_farm(tmp_path)
    assert settings.choose_variant("netlib").description == "reference BLAS"
    error = only(lambda: settings.choose_variant("zzz"), UsageError)
    assert error.hint == "valid are: netlib, plain"


def test_a_farm_without_variants_learns_how_to_add_one(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.wheelfarm]\n")
    error = only(lambda: load(tmp_path, environ={}), UsageError)
    assert error.what == "unknown variant 'openblas'"
    assert error.hint == "add [tool.wheelfarm.variants.<name>]"


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"a =\n", "line"), (b"a = 1\na = 2\n", "line"), (b"\xff", "0xff"), (None, "No such file")],
)
def test_a_farm_whose_pyproject_cannot_be_read(tmp_path: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        (tmp_path / "pyproject.toml").write_bytes(content)
    error = only(lambda: load(tmp_path, environ={}), SettingsError)
    assert str(error.where).removesuffix(", byte 0") == str(tmp_path / "pyproject.toml")
    assert why in str(error.why)
