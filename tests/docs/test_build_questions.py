"""What the how-to says of builds: recipe lines fit the real recipes, and commands run in small farms."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import tomlkit

from support.door import Door
from support.farm import LOCK, builds_of, over, write_farm
from support.howto import HowTo
from support.raised import raised
from wheelfarm.build.backends import KNOWN, MESON_PYTHON, check_keys
from wheelfarm.errors import RecipeError
from wheelfarm.recipes.settings import load
from wheelfarm.system.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.farm import Table
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the small farms are for gcc and ELF")

ROOT: Final = Path(__file__).parents[2]
REAL: Final = tomllib.loads((ROOT / "recipes" / "scipy" / "recipe.toml").read_text(encoding="utf-8"))
OWN: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
SPLIT, COMPILERS = HowTo.read("split-a-wheel"), HowTo.read("compilers-and-lapack")
SETTINGS, LIBRARIES = HowTo.read("config-settings"), HowTo.read("system-libraries")


def real_farm(root: Path, lines: Table) -> Path:
    """A copy of this farm, whose recipe of scipy also has the lines of a page."""
    for name in ("recipes", "patches", "variants"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copyfile(ROOT / "pyproject.toml", root / "pyproject.toml")
    (root / "recipes" / "scipy" / "recipe.toml").write_text(
        tomlkit.dumps(over(REAL, lines)), encoding="utf-8"
    )
    return root


def real_build(root: Path, lines: Table, variant: str = "openblas") -> Build:
    environ = {"PATH": os.environ["PATH"], "HOME": str(root / "home")}
    return builds_of(load(real_farm(root / "real", lines), environ=environ), variant=variant)["scipy"]


@pytest.fixture
def farm(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    """The tasks of a farm of names alone: nothing can be built in it, and all can be planned."""
    return Door(tmp_path / "farm", capsys, monkeypatch)


def write_names(farm: Door, lines: Table) -> None:
    """The recipes of that farm; scipy's also has the lines of a page."""
    on_numpy = {"compilers": ["c"], "requires": {"host": ["numpy"], "run": ["numpy"]}}
    recipes: Mapping[str, Table] = {
        "numpy": {"compilers": ["c"]},
        "pandas": on_numpy,
        "scipy": over(on_numpy, lines),
    }
    variants = {
        "openblas": {"description": "in place of OpenBLAS"},
        "reference": {"description": "reference BLAS", "provider": "netlib"},
    }
    settings = {"engine": "host", "pythons": [OWN], "variant": "openblas", "variants": variants}
    meson = {"recipes/scipy/build.lock": f"meson-python==0.18.0 --hash=sha256:{'c' * 64}\n{LOCK}"}
    write_farm(farm.root, recipes, settings=settings, files=meson)


@pytest.mark.parametrize(
    "page",
    ["build-isolation", "config-settings", "parallel-builds", "system-libraries", "compilers-and-lapack"],
)
def test_recipe_lines_fit_the_real_recipe_in_all_variants(
    page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The two blocks in the middle are for other backends.
    numbers = (0, 3) if page == "config-settings" else ()
    real = Door(real_farm(tmp_path / "real", HowTo.read(page).recipe(*numbers)), capsys, monkeypatch)
    done = real.inv("recipe.check", "scipy")
    assert done.returncode == 0, done.stderr


class TestConfigSettings:
    def test_explain_shows_each_line_as_it_is_on_a_command_line(self, farm: Door) -> None:
        write_names(farm, SETTINGS.recipe(0))
        comments = re.findall(r"# -C (\S+)", SETTINGS.blocks("toml")[0])
        assert len(comments) == len(SETTINGS.recipe(0)["config-settings"])
        shown = farm.inv("explain", "scipy").stdout
        assert [each for each in comments if f" -C{each}" not in shown] == []

    def test_the_keys_are_those_that_the_farm_knows(self) -> None:
        rows = {row[0]: re.findall(r"`([\w-]+)`", row[1]) for row in table(SETTINGS) if len(row) == 3}
        assert {*rows["meson-python"]} - {"meson setup"} == KNOWN[MESON_PYTHON]
        assert {*rows["setuptools"]} - {"bdist_wheel"} == KNOWN["setuptools.build_meta"] - {
            "verbose",
            "quiet",
        }
        assert KNOWN["hatchling.build"] == KNOWN["flit_core.buildapi"] == {*rows["hatchling, flit"]} == set()

    @pytest.mark.parametrize(
        ("number", "backend"), [(1, "setuptools.build_meta"), (2, "scikit_build_core.build")]
    )
    def test_lines_for_other_backends(self, number: int, backend: str, tmp_path: Path) -> None:
        settings = write_farm(tmp_path, {"alpha": SETTINGS.recipe(number)})
        build = builds_of(load(settings, environ={}))["alpha"]
        unchecked = check_keys(build, backend)
        assert unchecked == (
            None
            if backend in KNOWN
            else f"config settings are not checked: {backend} publishes no list of what it takes"
        )
        (error,) = raised(lambda: check_keys(build, MESON_PYTHON), RecipeError)
        assert error.why == "it would have no effect on the wheel"

    def test_options_of_one_package_reach_no_other(self, farm: Door) -> None:
        write_names(farm, SETTINGS.recipe(0, 3))
        scipy, numpy = HowTo.read("config-settings", "## Options for one package of a chain").run(farm)
        for option in ("-Csetup-args=-Duse-g77-abi=true", "FFLAGS=-O2", "CFLAGS=-mtune=generic"):
            assert option in scipy.stdout, option
            assert option not in numpy.stdout
        assert re.search(
            r"^config-settings.setup-args +<- .* \+ recipes/scipy/recipe.toml: variants.reference.append$",
            scipy.stdout,
            re.MULTILINE,
        )
        assert "-Duse-g77-abi=true" not in farm.inv("explain", "scipy").stdout


def table(page: HowTo) -> list[list[str]]:
    """The rows of a page's tables: plain text in the first cell."""
    rows = [line.strip("|").split("|") for line in page.text.splitlines() if line.startswith("| ")]
    return [[re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", row[0]).strip(), *row[1:]] for row in rows]


def test_the_budget_of_processors(farm: Door) -> None:
    page = HowTo.read("parallel-builds")
    write_names(farm, page.recipe())
    dry, explained = (
        farm.inv(*words[1:], **variables)
        for variables, words in page.commands()
        if "--dry-run" in words or "explain" in words
    )
    assert [line.split()[1] for line in dry.stdout.splitlines()[2:5]] == ["numpy", "pandas", "scipy"]
    for text in (
        "-Ccompile-args=-j4",
        "MAKEFLAGS=-j4",
        "CMAKE_BUILD_PARALLEL_LEVEL=4",
        "NPY_NUM_BUILD_JOBS=4",
    ):
        assert text in explained.stdout
    table = load(farm.root, environ={"PATH": os.environ["PATH"]})
    need = builds_of(table)["scipy"].recipe.table
    assert (need.cpus, need.memory) == (2, "3G")


def test_the_wheel_that_another_was_built_on(
    chain: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page, names = HowTo.read("build-isolation"), {"numpy": "tinybase", "scipy": "tinytop"}
    assert page.recipe()["requires"] == REAL["requires"]
    planned, chained, explained = page.run(Door(chain.root, capsys, monkeypatch), names)
    assert (planned.returncode, chained.returncode, explained.returncode) == (0, 0, 0)
    assert [line.split()[1] for line in planned.stdout.splitlines()[2:]] == ["tinybase", "tinytop"]
    (wheel,) = (chain.wheelhouse / "plain" / "wheels").rglob("tinybase-*.whl")
    (shown,) = page.blocks("text")
    expected = re.sub(r"numpy-[^,]+", wheel.name, shown).replace("…", sha256_of_file(wheel))
    assert expected in explained.stdout


class TestSystemLibraries:
    def test_each_variant_gets_the_option_and_may_vendor_the_library(self, tmp_path: Path) -> None:
        lines = LIBRARIES.recipe()
        for variant in ("openblas", "reference"):
            resolved = real_build(tmp_path / variant, lines, variant).resolved
            arguments = dict(resolved.config_settings.items)["setup-args"]
            assert "-Duse-system-libraries=qhull" in arguments
            assert any(word.startswith("-Dblas=") for word in arguments)
            assert "libqhull_r*" in (resolved.expect.vendors or ())
            assert "libgfortran*" in (resolved.expect.vendors or ())


class TestLoosen:
    def test_the_lock_is_stale_and_numpy_is_refused(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = HowTo.read("loosen-bounds")
        lines = page.recipe()
        done = Door(real_farm(tmp_path / "real", lines), capsys, monkeypatch).inv("recipe.check", "scipy")
        assert done.returncode != 0
        assert "build.lock is stale" in done.stderr
        lines["build-requires"]["loosen"].append("numpy")
        done = Door(real_farm(tmp_path / "numpy", lines), capsys, monkeypatch).inv("recipe.check", "scipy")
        (message,) = page.blocks("text")
        assert message.strip() in done.stderr


class TestCompilers:
    def test_the_lines_are_those_of_the_real_recipe(self) -> None:
        lines = COMPILERS.recipe(0)
        assert {key: REAL[key] for key in lines} == lines

    def test_doctor_compares(self, farm: Door, tmp_path: Path) -> None:
        (tmp_path / "index").mkdir()
        layers = {name: REAL["variants"][name] for name in ("openblas", "reference")}
        lines = over(COMPILERS.recipe(0), {"compilers": ["c"], "blas": True, "variants": layers})
        for oldest, status in (("9.1", "ok"), ("99.0", "fault")):
            write_names(farm, over(lines, {"minimum-compilers": {"gcc": oldest}}))
            for done in COMPILERS.run(farm, WHEELFARM_INDEX_URL=(tmp_path / "index").as_uri()):
                assert re.search(rf"^compilers +{status} ", done.stdout, re.MULTILINE), done.stdout
            assert re.search(r"^blas +\w+ ", done.stdout, re.MULTILINE)
        assert "and scipy needs 99.0" in done.stdout


def test_the_lines_that_split_the_tests_off_are_those_of_the_real_recipe() -> None:
    lines: dict[str, Any] = SPLIT.recipe(0)
    assert lines == {key: REAL[key] for key in lines}
