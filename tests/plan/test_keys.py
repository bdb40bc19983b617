"""Rebuild and gate keys: their parts, and what they must not depend on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import RECIPE, builds_of, make_farm, make_toolchain, write_farm
from support.raised import only
from wheelfarm.build.environment import check_environment
from wheelfarm.errors import PatchError, RecipeError
from wheelfarm.model import EngineName, sha256_of_json
from wheelfarm.plan.build import check_unchanged
from wheelfarm.system.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheelfarm.plan.build import Build

ROOT = Path(__file__).parents[2]
TABLE: dict[str, Any] = {
    "requires": {"host": ["base"], "run": ["base"]},
    "environment": {"B": "2", "A": "1"},
    "config-settings": {"z": "1", "a": ["x", "y"]},
    "cibuildwheel": {"y": {"q": 1, "p": 2}, "x": 1},
    "build-requires": {"replace": {"d": "d>1", "c": "c>1"}},
    "expect": {"tests": False, "interface": "lp64"},
    "test": {"time-limit": 3, "imports": ["top"]},
    "patches": [{"file": "a.patch"}, {"file": "b.patch"}],
}
PATCHES = {f"top/{name}.patch": f"--- a/{name}\n+++ b/{name}\n" for name in ("a", "b")}


def _top(root: Path, table: dict[str, Any] | None = None, *, patch: str | None = None) -> Build:
    patches = PATCHES | ({"top/a.patch": patch} if patch else {})
    return builds_of(make_farm(root, {"top": table or TABLE, "base": {}}, patches=patches))["top"]


def _backwards(value: Any) -> Any:
    """The same tables, with their keys in the opposite order."""
    if isinstance(value, dict):
        return {key: _backwards(value[key]) for key in reversed(value)}
    return value


def test_keys_do_not_depend_on_where_the_farm_is(tmp_path: Path) -> None:
    here, there = _top(tmp_path / "here"), _top(tmp_path / "there/much deeper")
    assert (here.key, here.gate_key) == (there.key, there.gate_key)
    assert here.key_parts == there.key_parts
    assert not any(str(tmp_path) in part for part in [*here.key_parts.values(), *here.gate_parts.values()])


@pytest.mark.parametrize(
    ("value", "programs"),
    [("gcc-12 -m64", {"gcc-12"}), ("ccache clang", {"ccache", "clang"}), ("", set())],
)
def test_a_compiler_that_a_recipe_names_is_in_the_key_by_its_version(
    tmp_path: Path, value: str, programs: set[str]
) -> None:
    settings = make_farm(tmp_path, {"alpha": {"environment": {"CC": value}}, "beta": {}})

    def keys(version: str) -> dict[str, Build]:
        named = dict.fromkeys(("gcc-12", "ccache", "clang"), version)
        return builds_of(settings, toolchains=[make_toolchain(programs=named)])

    old, new = keys("12.2"), keys("12.3")
    changed = {
        name for name, part in new["alpha"].key_parts.items() if old["alpha"].key_parts.get(name) != part
    }
    assert changed == {f"program.{name}" for name in programs}
    assert old["beta"].key == new["beta"].key


def test_a_compiler_that_is_not_here(tmp_path: Path) -> None:
    settings = make_farm(tmp_path, {"alpha": {"environment": {"CC": "clang-99 -m64"}}})
    builds = builds_of(settings, toolchains=[make_toolchain(programs={"clang-99": "(none)"})])
    error = only(lambda: check_environment(builds["alpha"]), RecipeError)
    assert error.what == "CC names 'clang-99', which is not installed"


def test_keys_do_not_depend_on_times(tmp_path: Path) -> None:
    settings = make_farm(tmp_path, {"top": TABLE, "base": {}}, patches=PATCHES)
    before = builds_of(settings)["top"]
    for file in tmp_path.rglob("*"):
        os.utime(file, (0, 0))
    after = builds_of(settings)["top"]
    assert (before.key, before.gate_key) == (after.key, after.gate_key)


def test_keys_do_not_depend_on_the_order_of_tables(tmp_path: Path) -> None:
    forwards, backwards = _top(tmp_path / "1", TABLE), _top(tmp_path / "2", _backwards(TABLE))
    assert (forwards.key, forwards.gate_key) == (backwards.key, backwards.gate_key)


def test_keys_depend_on_the_order_of_lists(tmp_path: Path) -> None:
    base = _top(tmp_path / "0")
    series = TABLE | {"patches": [{"file": "b.patch"}, {"file": "a.patch"}]}
    options = TABLE | {"config-settings": {"z": "1", "a": ["y", "x"]}}
    keys = {_top(tmp_path / str(n), table).key for n, table in enumerate((series, options), 1)}
    assert len({base.key, *keys}) == 3


_PRINT_KEYS = """
import sys
from pathlib import Path
from support.farm import make_toolchain, plan_of
from wheelfarm.recipes.settings import load

settings = load(Path(sys.argv[1]), environ={})
for variant in settings.variants:
    plan = plan_of(settings, variant=variant, toolchains=[make_toolchain("cp312-manylinux_x86_64")])
    for build in plan.builds:
        print(build.id, build.key, build.gate_key, list(build.key_parts))
"""


@pytest.fixture
def farm_copy(tmp_path: Path) -> Path:
    """This repository's own farm, as others would check it out."""
    for name in ("recipes", "patches", "variants"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_keys_do_not_depend_on_the_hash_seed_or_the_process(farm_copy: Path) -> None:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    argv = [sys.executable, "-c", _PRINT_KEYS]
    running = [
        subprocess.Popen(
            [*argv, str(root)],
            env={"PYTHONPATH": path, "PYTHONHASHSEED": seed, "HOME": home, "PATH": os.defpath},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, root, home in (("0", ROOT, "/a"), ("1", farm_copy, "/b"), ("4294967295", ROOT, "/c"))
    ]
    printed = [process.communicate()[0] for process in running]
    assert printed[0].count("\n") >= 8
    assert printed[0] == printed[1] == printed[2]


def test_a_comment_in_the_recipe_changes_nothing(tmp_path: Path) -> None:
    before = _top(tmp_path)
    file = tmp_path / "recipes/top/recipe.toml"
    text = "# why\n" + file.read_text(encoding="utf-8").replace("\n", "  # so\n\n")
    after = builds_of(make_farm(tmp_path, {"base": {}}, files={"recipes/top/recipe.toml": text}))["top"]
    assert (before.key, before.gate_key) == (after.key, after.gate_key)


@pytest.mark.parametrize("start", ["diff --git a/x b/x\n", "--- a/x\n"])
def test_only_the_header_of_a_patch_is_free(tmp_path: Path, start: str) -> None:
    def key(n: int, text: str) -> str:
        return _top(tmp_path / str(n), patch=text).key

    first = key(0, f"one\n\n{start}+x\n")
    assert key(1, f"two\nlines, --- a dash\n{start}+x\n") == first
    assert key(2, f"one\n\n{start}+y\n") != first
    assert key(3, f"one\n\n{start}+x\n\n") != first
    # A file in which no patch begins counts as a whole.
    assert key(4, "one") != key(5, "two")


def test_the_parts_say_what_went_in(tmp_path: Path) -> None:
    parts = _top(tmp_path).key_parts
    assert parts["name"] == "top"
    assert parts["engine"] == "host"
    assert parts["target"] == "cp311-manylinux_x86_64"
    assert parts["version"] == "1.0"
    assert parts["config-settings.a"] == '["x", "y"]'
    assert parts["environment.A"] == "1"
    assert parts["compiler.c++"] == "c++ 12.2.0"
    assert parts["toolchain.image"] == "sha256:1234"
    assert parts["requirement.setuptools"] == f'["80.9.0", "{"b" * 64}"]'
    assert [name for name in parts if name.startswith("patch.")] == ["patch.1.a.patch", "patch.2.b.patch"]
    assert RECIPE["source"]["sha256"] in parts["source"]
    # An enumeration would print as such in a record.
    assert all(type(value) is str or isinstance(value, EngineName) for value in parts.values())


def test_what_is_missing_is_a_fact_too(tmp_path: Path) -> None:
    settings = make_farm(tmp_path, {"alpha": {"system-packages": {"apt": ["libx-dev"]}}})
    bare = make_toolchain(compilers={"c": "cc 12"}, packages={})
    parts = builds_of(settings, toolchains=[bare])["alpha"].key_parts
    assert parts["compiler.c++"] == parts["system-package.libx-dev"] == "(none)"
    unknown = builds_of(settings, toolchains=[replace(bare, manager=None)])["alpha"].key_parts
    assert "system-package.libx-dev" not in unknown


@pytest.mark.parametrize("change", ["engine", "target", "variant"])
def test_engine_target_and_variant_are_inputs(tmp_path: Path, change: str) -> None:
    settings = make_farm(tmp_path)
    choices: dict[str, Callable[[], dict[str, Build]]] = {
        "engine": lambda: builds_of(
            settings, toolchains=[replace(make_toolchain(), engine=EngineName.CIBUILDWHEEL)]
        ),
        "target": lambda: builds_of(settings, toolchains=[make_toolchain("cp312-manylinux_x86_64")]),
        "variant": lambda: builds_of(settings, variant="netlib"),
    }
    assert choices[change]()["alpha"].key != builds_of(settings)["alpha"].key


def test_two_distributions_never_share_a_key(tmp_path: Path) -> None:
    builds = builds_of(make_farm(tmp_path, {"one": {}, "two": {}}))
    assert builds["one"].key != builds["two"].key


def test_digests_are_canonical(tmp_path: Path) -> None:
    assert sha256_of_json({"b": 1, "a": ["ä"]}) == sha256_of_json({"a": ["ä"], "b": 1})
    assert sha256_of_json({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    file = write_farm(tmp_path, files={"x": ""}) / "x"
    assert sha256_of_file(file) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_system_packages_count_where_no_package_manager_is_known(tmp_path: Path) -> None:
    """A container installs them from whatever its image has, so their names are part of the key."""
    toolchain = [make_toolchain(manager=None, packages={})]
    keys = []
    for names in ([], ["libfoo-dev"]):
        farm = make_farm(tmp_path / str(len(names)), {"alpha": {"system-packages": {"apt": names}}})
        keys.append(builds_of(farm, toolchains=toolchain)["alpha"].key)
    assert keys[0] != keys[1]


def test_where_an_archive_is_fetched_from_is_no_part_of_the_key(tmp_path: Path) -> None:
    keys = set()
    for number, url in enumerate(("https://a.invalid/x.tar.gz", "https://me:secret@b.invalid/x.tar.gz")):
        source = {"kind": "archive", "url": url, "sha256": "a" * 64}
        build = builds_of(make_farm(tmp_path / str(number), {"alpha": {"source": source}}))["alpha"]
        assert "secret" not in str(build.key_parts)
        keys.add(build.key)
    assert len(keys) == 1


def test_a_patch_that_is_edited_while_the_farm_runs(tmp_path: Path) -> None:
    body = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"
    farm = make_farm(
        tmp_path,
        {"alpha": {"patches": [{"file": "0001-x.patch"}]}},
        patches={"alpha/0001-x.patch": f"Why: x\nUpstream: x\n\n{body}"},
    )
    build = builds_of(farm)["alpha"]
    check_unchanged(build)
    (farm.patches / "alpha" / "0001-x.patch").write_text(f"Why: y\nUpstream: x\n\n{body}")
    check_unchanged(build)
    (farm.patches / "alpha" / "0001-x.patch").write_text(body.replace("+b", "+c"))
    assert "changed while" in only(lambda: check_unchanged(build), PatchError).what
