"""Laying out a stage: requirements by hash, the provider, the edited build requirements, the epoch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from support.archives import digest
from support.farm import builds_of, make_farm, make_toolchain
from support.raised import only, raised
from support.wheels import make_wheel
from wheelfarm.build.blas_provider import library_path, provider_environment
from wheelfarm.build.directory import BuildDirectory, make_directory, newest
from wheelfarm.errors import BuildDirectoryError, ChainError, ProviderError, RecipeError
from wheelfarm.model import FetchedSource, Name, PatchedTree, PinnedWheel
from wheelfarm.recipes.build_requirements import backend, build_requires, edited
from wheelfarm.recipes.farm_settings import Provider
from wheelfarm.recipes.recipe import BuildRequires

if TYPE_CHECKING:
    from wheelfarm.plan.build import Build

INSIDE = PurePosixPath("/project")


def pinned(path: Path, name: str, *, farm: bool = False) -> PinnedWheel:
    sha256 = digest(path.read_bytes())
    return PinnedWheel(name=Name(name), version="1.0", path=path, sha256=sha256, farm=farm)


def make_tree(root: Path, pyproject: str | None = None) -> PatchedTree:
    (root / "source").mkdir(parents=True)
    if pyproject is not None:
        (root / "source" / "pyproject.toml").write_text(pyproject)
    source = FetchedSource(name=Name("alpha"), version="1.0", path=root / "alpha.tar.gz", sha256=digest(b""))
    return PatchedTree(source=source, path=root / "source")


def laid(build: Build, root: Path, **words: Any) -> BuildDirectory:
    root.mkdir(exist_ok=True)
    tree = words.pop("tree", None) or make_tree(root)
    given: dict[str, Any] = {"requirements": [], "provider": None, "epoch": 1, "inside": INSIDE, "jobs": 1}
    return make_directory(build, root=root, tree=tree, **(given | words))


@pytest.fixture
def alpha(tmp_path: Path) -> Build:
    return builds_of(make_farm(tmp_path / "farm"))["alpha"]


class TestLay:
    def test_requirements_are_named_by_file_and_hash(self, alpha: Build, tmp_path: Path) -> None:
        wheels = [pinned(make_wheel(tmp_path, name), name) for name in ("zeta", "beta")]
        stage = laid(alpha, tmp_path / "stage", requirements=wheels)
        lines = (stage.root / "requirements.txt").read_text().splitlines()
        assert lines == [
            f"{wheel.name} @ file:///project/requirements/{wheel.path.name} --hash=sha256:{wheel.sha256}"
            for wheel in reversed(wheels)
        ]
        assert {path.name for path in (stage.root / "requirements").iterdir()} == {
            wheel.path.name for wheel in wheels
        }
        assert {path.name for path in (stage.root / "inside").iterdir()} == {
            "environment_report.py",
            "netlib.py",
            "compilers.py",
            "prepare_build_cache.py",
            "library_provenance.py",
        }
        assert (stage.provider, stage.dist.is_dir(), stage.built.exists()) == (Provider.NONE, True, False)

    def test_a_wheel_of_the_farm_may_not_come_from_the_index(self, tmp_path: Path) -> None:
        recipes = {"base": {}, "top": {"requires": {"host": ["base"]}}}
        top = builds_of(make_farm(tmp_path / "farm", recipes))["top"]
        wheel = pinned(make_wheel(tmp_path, "base"), "base")
        error = only(lambda: laid(top, tmp_path / "stage", requirements=[wheel]), ChainError)
        assert "farm's wheel of base" in error.what
        stage = laid(top, tmp_path / "other", requirements=[replace(wheel, farm=True)])
        assert stage.requirements == (replace(wheel, farm=True),)

    def test_a_directory_that_cannot_be_written(self, alpha: Build, tmp_path: Path) -> None:
        root = tmp_path / "stage"
        tree = make_tree(root)
        (root / "requirements").write_text("a file")
        error = only(lambda: laid(alpha, root, tree=tree), BuildDirectoryError)
        assert error.where == str(root / "requirements")


class TestProvider:
    @pytest.fixture
    def blas(self, tmp_path: Path) -> Build:
        variants = {"fast": {"description": "OpenBLAS", "provider": "scipy-openblas32"}}
        settings = make_farm(
            tmp_path / "farm", {"alpha": {"blas": True}}, settings={"variants": variants, "variant": "fast"}
        )
        return builds_of(settings)["alpha"]

    def wheel(self, directory: Path, *names: str) -> PinnedWheel:
        files = {f"scipy_openblas32/{name}": b"" for name in names}
        return pinned(make_wheel(directory, "scipy-openblas32", "1.0", files), "scipy-openblas32")

    def test_openblas_is_unpacked_with_a_pkg_config_file(self, blas: Build, tmp_path: Path) -> None:
        wheel = self.wheel(tmp_path, "lib/libscipy_openblas.so", "include/cblas.h")
        stage = laid(blas, tmp_path / "stage", provider=wheel)
        provider = stage.root / "provider"
        assert (provider / "lib" / "libscipy_openblas.so").is_file()
        assert (provider / "include" / "cblas.h").is_file()
        text = (provider / "pkgconfig" / "scipy-openblas.pc").read_text()
        assert "prefix=/project/provider\n" in text
        assert "Version: 1.0\n" in text
        assert "Libs: -L${libdir} -lscipy_openblas\n" in text
        assert "rpath" not in text

    def test_the_library_of_windows_has_its_own_name(self, tmp_path: Path, blas: Build) -> None:
        target = make_toolchain("cp311-win_amd64").target
        windows = replace(blas, id=replace(blas.id, target=target))
        wheel = self.wheel(tmp_path, "lib/libscipy_openblas-abc.lib", "include/cblas.h")
        stage = laid(windows, tmp_path / "stage", provider=wheel)
        text = (stage.root / "provider" / "pkgconfig" / "scipy-openblas.pc").read_text()
        assert "-llibscipy_openblas-abc\n" in text
        (tmp_path / "none").mkdir()
        bad = self.wheel(tmp_path / "none", "lib/x.dll", "include/cblas.h")
        error = only(lambda: laid(windows, tmp_path / "other", provider=bad), ProviderError)
        assert "0 import libraries" in error.what

    def test_no_wheel_or_one_without_libraries(self, blas: Build, tmp_path: Path) -> None:
        error = only(lambda: laid(blas, tmp_path / "one"), ProviderError)
        assert "'fast' has no wheel of its BLAS" in error.what
        wheel = self.wheel(tmp_path, "include/cblas.h")
        error = only(lambda: laid(blas, tmp_path / "two", provider=wheel), ProviderError)
        assert "holds no scipy_openblas32/lib" in error.what

    def test_only_what_links_blas_gets_one(self, tmp_path: Path) -> None:
        settings = make_farm(tmp_path / "farm", {"alpha": {}}, settings={"variant": "netlib"})
        assert laid(builds_of(settings)["alpha"], tmp_path / "stage").provider is Provider.NONE

    def test_paths(self) -> None:
        assert provider_environment(Provider.NONE, inside=INSIDE) == {}
        assert provider_environment(Provider.NETLIB, inside=INSIDE) == {
            "PKG_CONFIG_PATH": "/project/provider/pkgconfig"
        }
        assert library_path(Provider.NONE, inside=INSIDE) is None
        assert library_path(Provider.NETLIB, inside=INSIDE) == "/project/provider/lib"


class TestEpoch:
    def test_the_newest_file_counts(self, tmp_path: Path) -> None:
        for name, time in (("old", 1_500_000_000), ("new", 1_600_000_000)):
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (time, time))
        os.utime(tmp_path, (0, 0))
        assert newest(tmp_path) == 1_600_000_000

    def test_a_link_is_as_old_as_the_moment_it_was_unpacked(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        os.utime(tmp_path / "file", (1_500_000_000, 1_500_000_000))
        (tmp_path / "link").symlink_to("file")
        (tmp_path / "dangling").symlink_to("nowhere")
        assert newest(tmp_path) == 1_500_000_000

    def test_not_before_zip_s_time(self, tmp_path: Path) -> None:
        assert newest(tmp_path) == 315_532_800


class TestBuildSystem:
    def test_what_the_tree_says(self, tmp_path: Path) -> None:
        tree = make_tree(
            tmp_path, '[build-system]\nrequires = ["meson-python>=0.15"]\nbuild-backend = "mesonpy"\n'
        )
        assert backend(tree.path) == "mesonpy"
        assert build_requires(tree.path) == ["meson-python>=0.15"]

    @pytest.mark.parametrize("text", [None, "", '[project]\nname = "a"\n'])
    def test_what_holds_when_it_says_nothing(self, tmp_path: Path, text: str | None) -> None:
        tree = make_tree(tmp_path, text)
        assert backend(tree.path) == "setuptools.build_meta:__legacy__"
        assert build_requires(tree.path) == ["setuptools>=40.8"]

    @pytest.mark.parametrize("text", ["[build-system", 'a = "\ud800"'])
    def test_what_cannot_be_read(self, tmp_path: Path, text: str) -> None:
        tree = make_tree(tmp_path)
        (tree.path / "pyproject.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
        only(lambda: backend(tree.path), BuildDirectoryError)

    def test_a_recipe_s_edits_are_written(self, tmp_path: Path) -> None:
        edits = {"build-requires": {"add": ["pkgconf>=2"], "remove": ["cython"]}}
        alpha = builds_of(make_farm(tmp_path / "farm", {"alpha": edits}))["alpha"]
        text = '# remains\n[build-system]\nrequires = ["Cython", "numpy>=2"]\nbuild-backend = "mesonpy"\n'
        (tmp_path / "stage").mkdir()
        tree = make_tree(tmp_path / "stage", text)
        stage = laid(alpha, tmp_path / "stage", tree=tree)
        assert stage.build_requires == ("numpy>=2", "pkgconf>=2")
        assert stage.backend == "mesonpy"
        assert (tree.path / "pyproject.toml").read_text().startswith("# remains\n[build-system]\n")
        assert build_requires(tree.path) == ["numpy>=2", "pkgconf>=2"]

    def test_a_tree_that_says_nothing_can_be_edited(self, tmp_path: Path) -> None:
        edits = {"build-requires": {"add": ["wheel"]}}
        alpha = builds_of(make_farm(tmp_path / "farm", {"alpha": edits}))["alpha"]
        assert laid(alpha, tmp_path / "stage").build_requires == ("setuptools>=40.8", "wheel")


class TestEdits:
    REQUIRES = (
        "meson-python>=0.15,<0.18",
        "Cython>=3.0.8",
        "numpy>=2.0,<2.6",
        "pybind11~=2.13 ; python_version < '4'",
    )

    def edits(self, **said: Any) -> list[str]:
        return edited(self.REQUIRES, BuildRequires.model_validate(said), where="recipe.toml")

    def test_each(self) -> None:
        assert self.edits() == list(self.REQUIRES)
        assert self.edits(add=["wheel"]) == [*self.REQUIRES, "wheel"]
        assert self.edits(remove=["cython"]) == [self.REQUIRES[0], *self.REQUIRES[2:]]
        assert self.edits(replace={"CYTHON": "Cython==3.1"})[1] == "Cython==3.1"
        assert self.edits(loosen=["meson-python"])[0] == "meson-python>=0.15"
        assert self.edits(loosen=["pybind11"])[3] == 'pybind11; python_version < "4"'

    def test_replacing_what_was_loosened(self) -> None:
        assert self.edits(loosen=["cython"], replace={"cython": "Cython>=3.2"})[1] == "Cython>=3.2"

    def test_what_has_no_effect_is_an_error(self) -> None:
        said = {"remove": ["setuptools"], "replace": {"ninja": "ninja>=1"}, "loosen": ["wheel"]}
        errors = raised(lambda: self.edits(**said), RecipeError)
        assert [error.where for error in errors] == [
            f"recipe.toml: build-requires.{verb}" for verb in ("remove", "replace", "loosen")
        ]
        assert all("cython, meson-python, numpy, pybind11" in str(error.why) for error in errors)

    def test_a_source_with_a_requirement_that_is_none(self) -> None:
        only(lambda: edited(["numpy >=> 2"], BuildRequires(), where="recipe.toml"), BuildDirectoryError)


@pytest.mark.slow  # pip installs
def test_the_environment_report_reads_installed_files_from_disk(tmp_path: Path) -> None:
    """Not from RECORD: a file that was changed after it was installed has another digest."""
    script = Path(__file__).parents[2] / "src/wheelfarm/build/inside/environment_report.py"
    wheel, output = make_wheel(tmp_path), tmp_path / "out" / "environment.json"
    subprocess.run([sys.executable, "-I", str(script), str(wheel), str(output)], check=True)
    report = json.loads(output.read_text())
    assert report["wheels"] == [wheel.name]
    assert report["built"] == {"filename": wheel.name, "sha256": digest(wheel.read_bytes())}
    installed = {each["name"].lower(): each for each in report["distributions"]}
    path = Path(sys.prefix)
    place = next(path.glob("lib/python*/site-packages/pytest/__init__.py"), None)
    if place is not None:
        assert installed["pytest"]["files"]["pytest/__init__.py"] == digest(place.read_bytes())
    assert report["python"] == sys.version
