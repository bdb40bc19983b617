"""The build directory: requirements by hash, the provider, the epoch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from support.archives import digest
from support.farm import builds_of, make_farm, make_toolchain
from support.raised import only
from support.wheels import make_wheel
from wheelfarm.build.directory import BuildDirectory, write_directory
from wheelfarm.errors import ChainError, ProviderError
from wheelfarm.model import FetchedSource, Name, PatchedTree, PinnedWheel
from wheelfarm.recipes.providers import Provider
from wheelfarm.sources.unpacking import newest
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wheelfarm.plan.build import Build

INSIDE = PurePosixPath("/project")
SCRIPT = Path(__file__).parents[2] / "src/wheelfarm/build/inside/environment_report.py"


def pinned(path: Path, name: str, *, farm: bool = False) -> PinnedWheel:
    sha256 = digest(path.read_bytes())
    return PinnedWheel(name=Name(name), version="1.0", path=path, sha256=sha256, farm=farm)


def laid(
    build: Build, root: Path, *wheels: PinnedWheel, provider: Iterable[PinnedWheel] = ()
) -> BuildDirectory:
    root.mkdir()
    source = FetchedSource(name=Name("alpha"), version="1.0", path=root / "alpha.tar.gz", sha256=digest(b""))
    directory = BuildDirectory(
        build=build,
        root=root,
        inside=INSIDE,
        tree=PatchedTree(source=source, path=root / "source"),
        requirements=wheels,
        backend="",
        build_requires=(),
        epoch=1,
        provider_wheels=tuple(provider),
    )
    write_directory(directory)
    return directory


@pytest.fixture
def alpha(tmp_path: Path) -> Build:
    return builds_of(make_farm(tmp_path / "farm"))["alpha"]


class TestLay:
    def test_requirements_are_named_by_file_and_hash(self, alpha: Build, tmp_path: Path) -> None:
        wheels = [pinned(make_wheel(tmp_path, name), name) for name in ("zeta", "beta")]
        stage = laid(alpha, tmp_path / "stage", *wheels)
        lines = (stage.root / "requirements.txt").read_text().splitlines()
        assert lines == [
            f"{wheel.name} @ file:///project/requirements/{wheel.path.name} --hash=sha256:{wheel.sha256}"
            for wheel in reversed(wheels)
        ]
        assert {path.name for path in (stage.root / "requirements").iterdir()} == {
            wheel.path.name for wheel in wheels
        }
        assert {path.name for path in (stage.root / "inside").iterdir()} == {
            "check_record.py",
            "edit_rpaths.py",
            "strip_libraries.py",
            "environment_report.py",
            "netlib.py",
            "plain_names.py",
            "compilers.py",
            "compiled_objects.py",
            "prepare_build_cache.py",
            "profile.py",
            "library_provenance.py",
            "programs.py",
        }
        assert (stage.provider, stage.dist.is_dir(), stage.built.exists()) == (Provider.NONE, True, False)

    def test_a_wheel_of_the_farm_may_not_come_from_the_index(self, tmp_path: Path) -> None:
        recipes = {"base": {}, "top": {"requires": {"host": ["base"]}}}
        top = builds_of(make_farm(tmp_path / "farm", recipes))["top"]
        wheel = pinned(make_wheel(tmp_path, "base"), "base")
        error = only(lambda: laid(top, tmp_path / "stage", wheel), ChainError)
        assert "farm's wheel of base" in error.what
        stage = laid(top, tmp_path / "other", replace(wheel, farm=True))
        assert stage.requirements == (replace(wheel, farm=True),)


HASH = f"--hash=sha256:{'c' * 64}"


def linking(root: Path, provider: str, *pinned: str) -> Build:
    """The build of a recipe that links the BLAS of a provider."""
    variants = {"fast": {"description": "fast", "provider": provider, "lock": "fast.lock"}}
    settings = make_farm(
        root,
        {"alpha": {"blas": True}},
        settings={"variants": variants, "variant": "fast"},
        files={"fast.lock": "".join(f"{name}==1.0 {HASH}\n" for name in pinned)},
    )
    return builds_of(settings)["alpha"]


MKL = {
    "mkl": {"lib/libmkl_rt.so.3": "", "lib/libmkl_core.so.3": ""},
    "mkl-devel": {
        "lib/pkgconfig/mkl-sdl.pc": "prefix=${pcfiledir}/../..\nlibdir=${prefix}/lib\nName: mkl\n"
        "Description: MKL\nVersion: 1\nLibs: -L${libdir} ${libdir}/libmkl_rt.so.3 -lm\n",
        "lib/pkgconfig/mkl-static-lp64-seq.pc": "",
    },
    "mkl-include": {"include/mkl.h": ""},
}
"""Distribution → what it installs below the prefix."""


def mkl_wheels(directory: Path, contents: Mapping[str, Mapping[str, str]]) -> list[PinnedWheel]:
    wheels = []
    for name, files in contents.items():
        data = f"{name.replace('-', '_')}-1.0.data/data"
        members = {f"{data}/{path}": text.encode() for path, text in files.items()}
        wheels.append(pinned(make_wheel(directory, name, "1.0", members), name))
    return wheels


class TestProvider:
    @pytest.fixture
    def blas(self, tmp_path: Path) -> Build:
        return linking(tmp_path / "farm", "scipy-openblas32", "scipy-openblas32")

    def wheel(self, directory: Path, *names: str, bits: int = 32) -> PinnedWheel:
        files = {f"scipy_openblas{bits}/{name}": b"" for name in names}
        return pinned(make_wheel(directory, f"scipy-openblas{bits}", "1.0", files), f"scipy-openblas{bits}")

    def test_openblas_is_unpacked_with_a_pkg_config_file(self, blas: Build, tmp_path: Path) -> None:
        wheel = self.wheel(tmp_path, "lib/libscipy_openblas.so", "include/cblas.h")
        stage = laid(blas, tmp_path / "stage", provider=[wheel])
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
        stage = laid(windows, tmp_path / "stage", provider=[wheel])
        text = (stage.root / "provider" / "pkgconfig" / "scipy-openblas.pc").read_text()
        assert "-llibscipy_openblas-abc\n" in text
        (tmp_path / "none").mkdir()
        bad = self.wheel(tmp_path / "none", "lib/x.dll", "include/cblas.h")
        error = only(lambda: laid(windows, tmp_path / "other", provider=[bad]), ProviderError)
        assert "0 import libraries" in error.what

    def test_one_with_64_bit_integers_has_other_symbols(self, tmp_path: Path) -> None:
        build = linking(tmp_path / "farm", "scipy-openblas64", "scipy-openblas64")
        wheel = self.wheel(tmp_path, "lib/libscipy_openblas64_.so", "include/cblas.h", bits=64)
        stage = laid(build, tmp_path / "stage", provider=[wheel])
        text = (stage.root / "provider" / "pkgconfig" / "scipy-openblas.pc").read_text()
        assert "Libs: -L${libdir} -lscipy_openblas64_\n" in text
        assert "-DBLAS_SYMBOL_PREFIX=scipy_ -DBLAS_SYMBOL_SUFFIX=64_ -DHAVE_BLAS_ILP64" in text

    def test_of_mkl_only_what_is_linked_is_there(self, tmp_path: Path) -> None:
        build = linking(tmp_path / "farm", "mkl", "mkl", "mkl-devel", "mkl-include")
        stage = laid(build, tmp_path / "stage", provider=mkl_wheels(tmp_path, MKL))
        provider = stage.root / "provider"
        found = sorted(
            path.relative_to(provider).as_posix() for path in provider.rglob("*") if path.is_file()
        )
        assert found == ["include/mkl.h", "lib/libmkl_rt.so.3", "pkgconfig/mkl-sdl.pc"]
        lines = (provider / "pkgconfig" / "mkl-sdl.pc").read_text().splitlines()
        assert lines[0] == "prefix=${pcfiledir}/.."

    @pytest.mark.parametrize(
        ("name", "lost"), [("mkl", "lib/libmkl_rt.so.3"), ("mkl-include", "include/mkl.h")]
    )
    def test_another_mkl(self, tmp_path: Path, name: str, lost: str) -> None:
        build = linking(tmp_path / "farm", "mkl", "mkl", "mkl-devel", "mkl-include")
        files = {each: content for each, content in MKL[name].items() if each != lost}
        wheels = mkl_wheels(tmp_path, {**MKL, name: files})
        error = only(lambda: laid(build, tmp_path / "stage", provider=wheels), ProviderError)
        assert f"holds no {lost.partition('/')[0]} of MKL" in error.what

    def test_one_without_libraries(self, blas: Build, tmp_path: Path) -> None:
        wheel = self.wheel(tmp_path, "include/cblas.h")
        error = only(lambda: laid(blas, tmp_path / "two", provider=[wheel]), ProviderError)
        assert "holds no scipy_openblas32/lib" in error.what

    def test_only_what_links_blas_gets_one(self, tmp_path: Path) -> None:
        recipes = {"alpha": {}, "beta": {"blas": True}}
        builds = builds_of(make_farm(tmp_path / "farm", recipes, settings={"variant": "netlib"}))
        alpha, beta = (laid(builds[name], tmp_path / name) for name in recipes)
        assert (alpha.provider, alpha.provider_dir) == (Provider.NONE, None)
        assert (beta.provider, beta.provider_dir) == (Provider.NETLIB, INSIDE / "provider")


def test_the_epoch_is_the_newest_file_but_for_links_and_not_before_zip_s_time(tmp_path: Path) -> None:
    assert newest(tmp_path) == 315_532_800
    for name, time in (("old", 1_500_000_000), ("new", 1_600_000_000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time, time))
    # A link is as old as the moment it was unpacked.
    (tmp_path / "link").symlink_to("old")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert newest(tmp_path) == 1_600_000_000


@pytest.mark.slow  # pip installs
def test_the_environment_report_reads_installed_files_from_disk(tmp_path: Path) -> None:
    """Not from RECORD: a file that was changed after it was installed has another digest."""
    wheel, output = make_wheel(tmp_path), tmp_path / "out" / "environment.json"
    words = [sys.executable, "-I", "-S", str(SCRIPT), "-", str(wheel), str(output)]
    subprocess.run(words, check=True, cwd=tmp_path)
    report = json.loads(output.read_text())
    assert report["wheels"] == [wheel.name]
    built = report["built"]
    assert (built["filename"], built["sha256"]) == (wheel.name, digest(wheel.read_bytes()))
    assert built["members"]["demo.py"] == digest(b"")
    installed = {each["name"].lower(): each for each in report["distributions"]}
    path = Path(sys.prefix)
    place = next(path.glob("lib/python*/site-packages/pytest/__init__.py"), None)
    if place is not None:
        assert installed["pytest"]["files"]["pytest/__init__.py"] == digest(place.read_bytes())
    assert report["python"] == sys.version


def test_an_archive_of_packages_gives_the_same_report_as_the_directory(tmp_path: Path) -> None:
    """A hard link in the archive of a container is a file, a symbolic one is none."""
    packages = tmp_path / "site-packages"
    wheel = make_wheel(tmp_path, "demo", "1.0", {"demo.py": "x = 1\n", "same.py": "x = 1\n", "link.py": ""})
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (packages / "same.py").unlink()
    (packages / "same.py").hardlink_to(packages / "demo.py")
    (packages / "link.py").unlink()
    (packages / "link.py").symlink_to("/etc/passwd")
    vendored = packages / "demo" / "inner-2.0.dist-info"
    vendored.mkdir(parents=True)
    (vendored / "METADATA").write_text("Name: inner\nVersion: 2.0\n")
    output = tmp_path / "environment.json"
    output.write_text('{"wheels": [], "distributions": []}')
    tar = ("tar", "-C", str(tmp_path), "-c", "site-packages")
    archived = subprocess.run(tar, check=True, capture_output=True).stdout
    subprocess.run([sys.executable, "-I", "-S", str(SCRIPT), str(output)], check=True, input=archived)
    report = json.loads(output.read_text())
    assert report["wheels"] == []
    (found,) = report["distributions"]
    assert (found["name"], found["version"]) == ("demo", "1.0")
    assert found["files"] == {
        path: sha256 for path, sha256 in open_wheel(wheel).installed.items() if path != "link.py"
    }
