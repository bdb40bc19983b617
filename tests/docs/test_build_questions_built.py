"""What the how-to says of builds, with real builds of a small package that has scipy's options."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from support.door import Door
from support.farm import over
from support.howto import HowTo
from support.packages import tinyleaf
from support.tiny import CHAIN, LEAF, tiny_farm, tiny_index
from support.unbundled import scipy, scipy_farm

if TYPE_CHECKING:
    from support.farm import Table
    from support.index import Index
    from wheelfarm.recipes.settings import Settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the small packages are for gcc and ELF"),
]

LIBRARIES, SPLIT = HowTo.read("system-libraries"), HowTo.read("split-a-wheel")
QHULL: Final = (
    bool(list(Path("/usr/lib").glob("*/pkgconfig/qhull_r.pc"))) and Path("/usr/bin/pkg-config").exists()
)
BOOST: Final = Path("/usr/include/boost/version.hpp").exists()
OPTION: Final = "-Duse-system-libraries="


@pytest.fixture
def door(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    """The tasks of a farm that a test makes."""
    return Door(Path(), capsys, monkeypatch)


def with_value(value: str) -> Table:
    """The lines of the page with another value of the option; no variant here limits what repair puts in."""
    lines = LIBRARIES.recipe()
    assert lines["config-settings"]["setup-args"] == [f"{OPTION}qhull"]
    lines["config-settings"]["setup-args"] = [OPTION + value]
    lines["expect"]["vendors"] = lines.pop("farm")["append"]["expect"]["vendors"]
    return lines


def members(settings: Settings) -> set[str]:
    """The members of the stored wheel of scipy."""
    (wheel,) = settings.wheelhouse.rglob("scipy-1.17.1-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.skipif(not QHULL, reason="needs Debian's libqhull-dev and pkg-config")
class TestSystemLibraries:
    def test_the_library_of_the_system_is_in_the_wheel(
        self, door: Door, tmp_path: Path, meson_index: Index
    ) -> None:
        farm = scipy_farm(tmp_path, meson_index, with_value("qhull"))
        door.root = farm.root
        explained, built, inspected = LIBRARIES.run(door)
        assert LIBRARIES.lines("sh")[0].endswith(f" -Csetup-args={OPTION}qhull")
        assert f"-Csetup-args={OPTION}qhull" in explained.stdout
        assert built.returncode == 0, built.stderr
        assert "which no recipe names" not in built.stderr
        assert "libqhull_r" in inspected.stdout
        assert "with package libqhull-dev: " in door.inv("explain", "scipy").stdout
        assert any(name.startswith("scipy.libs/libqhull_r") for name in members(farm))

    @pytest.mark.parametrize("value", ["auto", "qhull,auto"])
    def test_auto_takes_what_is_there(
        self, value: str, door: Door, tmp_path: Path, meson_index: Index
    ) -> None:
        farm = scipy_farm(tmp_path, meson_index, with_value(value))
        door.root = farm.root
        built = door.inv("chain", "scipy")
        assert built.returncode == 0, built.stderr
        assert any(name.startswith("scipy.libs/libqhull_r") for name in members(farm))

    def test_the_gate_refuses_a_wheel_without_it(
        self, door: Door, tmp_path: Path, meson_index: Index
    ) -> None:
        farm = scipy_farm(tmp_path, meson_index, with_value("none"))
        door.root = farm.root
        built = door.inv("chain", "scipy")
        assert built.returncode != 0
        (shown,) = LIBRARIES.blocks("text")
        assert shown.strip() in built.stderr

    def test_the_gate_refuses_a_library_that_is_not_named(
        self, door: Door, tmp_path: Path, meson_index: Index
    ) -> None:
        farm = scipy_farm(tmp_path, meson_index, over(with_value("qhull"), {"expect": {"vendors": []}}))
        door.root = farm.root
        built = door.inv("chain", "scipy")
        assert built.returncode != 0
        assert "vendors: expected none, found libqhull_r" in built.stderr, built.stderr

    @pytest.mark.skipif(BOOST, reason="needs a system without Boost's headers")
    @pytest.mark.parametrize("value", ["all", "boost.math,auto"])
    def test_what_is_named_must_be_there(
        self, value: str, door: Door, tmp_path: Path, meson_index: Index
    ) -> None:
        farm = scipy_farm(tmp_path, meson_index, with_value(value))
        door.root = farm.root
        built = door.inv("chain", "scipy")
        assert built.returncode != 0
        assert 'Dependency "boost" not found' in built.stderr
        assert 'Dependency "boost" not found' in LIBRARIES.text


class TestConfigSettings:
    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            ({"setup-arg": "-Dblas=x"}, "mesonpy takes no config setting 'setup-arg'"),
            ({"setup-args": ["-Duse-pythram=false"]}, "scipy cannot be set up with -Duse-pythram=false"),
            ({"setup-args": ["-Duse-pythran=no"]}, "it is a boolean: true or false"),
            ({"setup-args": [f"{OPTION}qhul"]}, "'qhul': did you mean 'qhull'?"),
        ],
    )
    def test_a_wrong_one_is_refused_before_anything_is_compiled(
        self, lines: dict[str, list[str]], message: str, door: Door, tmp_path: Path, meson_index: Index
    ) -> None:
        farm = scipy_farm(tmp_path, meson_index, {"config-settings": lines})
        door.root = farm.root
        done = door.inv("chain", "scipy")
        assert done.returncode != 0
        assert message in done.stderr
        assert not list(farm.work.rglob("*.o"))

    def test_a_define_by_setuptools(self, door: Door, tmp_path: Path) -> None:
        files = tinyleaf()
        files["native/ext.c"] = "#ifndef FAST\n#error FAST is not defined\n#endif\n" + files["native/ext.c"]
        lines = HowTo.read("config-settings").recipe(1)
        farm = tiny_farm(
            tmp_path / "farm", tiny_index(tmp_path / "index", tinyleaf=files), {"tinyleaf": lines}
        )
        door.root = farm.root
        done = door.inv("chain", "tinyleaf")
        assert done.returncode == 0, done.stderr


def test_builds_at_once(door: Door, index: Index, tmp_path: Path) -> None:
    page, names = (
        HowTo.read("parallel-builds"),
        {"numpy": "tinybase", "scipy": "tinytop", "pandas": "tinyleaf"},
    )
    door.root = tiny_farm(tmp_path / "farm", index, {**CHAIN, **LEAF}).root
    done = page.run(door, names)
    assert [each.returncode for each in done] == [0] * 4, [each.stderr for each in done]


def test_a_wheel_and_the_suite_of_its_tests(door: Door, tmp_path: Path, meson_index: Index) -> None:
    suite = {"test": {"suite": {"args": ["--pyargs", "scipy"], "fast": ["-m", "not slow"]}}}
    farm = scipy_farm(tmp_path, meson_index, over(over(SPLIT.recipe(0), suite), {"expect": {"tests": False}}))
    door.root = farm.root
    built, explained, inspected, tested = SPLIT.run(door)
    assert built.returncode == 0, built.stderr
    assert "-Cinstall-args=--tags=runtime,python-runtime,devel" in explained.stdout
    assert not re.search(r"^tests\b", inspected.stdout, re.MULTILINE)
    assert not any("/tests/" in name for name in members(farm))
    assert (farm.wheelhouse / "plain" / "simple" / "scipy-tests").is_dir()
    assert tested.returncode == 0, tested.stderr
    assert "1 passed, 0 failed" in tested.stdout


def test_the_gate_refuses_tests_that_no_tag_has_left_out(
    door: Door, tmp_path: Path, meson_index: Index
) -> None:
    door.root = scipy_farm(tmp_path, meson_index, {"expect": {"tests": False}}).root
    built = door.inv("chain", "scipy")
    assert built.returncode != 0
    assert "tests: expected none inside" in built.stderr, built.stderr
    assert "`tests: expected none inside`" in SPLIT.text


class TestBounds:
    def test_a_build_requirement(self, door: Door, tmp_path: Path, meson_index: Index) -> None:
        page = HowTo.read("loosen-bounds")
        lines = page.recipe()
        lines["build-requires"]["loosen"].remove("pybind11")
        files = scipy(requires='"meson-python>=0.15.0,<0.15.1"')
        bound = scipy_farm(tmp_path, meson_index, {}, files)
        door.root = bound.root
        refused = door.inv("recipe.lock", "scipy")
        assert refused.returncode != 0
        (tmp_path / "loose").mkdir()
        door.root = scipy_farm(tmp_path / "loose", meson_index, lines, files).root
        for words in ("recipe.lock", "chain"):
            done = door.inv(words, "scipy")
            assert done.returncode == 0, done.stderr
        lock = (door / "recipes/scipy/build.lock").read_text()
        assert 'requires = ["meson-python>=0.15.0", ' in lock

    def test_a_run_requirement(self, door: Door, tmp_path: Path, meson_index: Index) -> None:
        page = HowTo.read("loosen-bounds", "## Run requirements")
        files = scipy(dependencies='"packaging>=1.26.4,<2.7"')
        door.root = scipy_farm(tmp_path, meson_index, {}, files).root
        before, change, after = re.split(r"\n(In `\.wheelfarm.+?)\n\n", page.text, flags=re.DOTALL)
        patched, file, old, _, new = re.findall(r"`([^`]+)`", change)
        done = HowTo(before).run(door)
        tree = door / patched / file
        tree.write_text(
            tree.read_text().replace(*(text.replace("numpy", "packaging") for text in (old, new)))
        )
        done += HowTo(after).run(door, {"numpy": "packaging"})
        assert [each.returncode for each in done] == [0] * len(done), [each.stderr for each in done]
        assert "packaging>=1.26.4" in done[-1].stdout
        assert "<2.7" not in done[-1].stdout


def test_bytecode_is_a_matter_of_the_layer(chain: Settings, index: Index, door: Door) -> None:
    page = HowTo.read("compile-and-no-binary")
    door.root = chain.root
    # A system with a glibc that is newer than this machine's.
    more = {"deploy.layer": ("--like", "debian13", "--engine", "host")}
    built, explained, without, layer = page.run(door, {"scipy": "tinytop"}, more)
    assert (built.returncode, explained.returncode, without.returncode, layer.returncode) == (0, 0, 0, 0)
    (record,) = (each["record"] for each in json.loads(explained.stdout))
    assert record["source"]["sha256"] == index.sha256("tinytop-1.0.tar.gz")
    with zipfile.ZipFile(chain.root / "layer.zip") as archive:
        assert any(name.endswith(".pyc") for name in archive.namelist())
