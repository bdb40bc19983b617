"""Wheels of pytest and xdist out of what is installed, and a package whose tests end in every way."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from support.archives import digest
from support.index import repack
from support.wheels import make_wheel
from wheelfarm.model import PinnedWheel, parse_name

_RUNNER: Final = {
    "pluggy": "pluggy",
    "iniconfig": "iniconfig",
    "packaging": "packaging",
    "pygments": "pygments",
    "execnet": "execnet",
    "pytest": "_pytest",
    "pytest_xdist": "xdist",
}
"""Distribution → its package."""

TESTS: Final = """\
import os

import alpha
import pytest


def test_passes():
    assert (alpha.X, os.environ["ALPHA"]) == (1, "a b")


def test_fails():
    assert alpha.X == 2, "the sum is wrong"


def test_known():
    raise OSError("no network")


@pytest.mark.parametrize("n", [1, 2])
def test_known_parameters(n):
    assert n == 2


@pytest.mark.parametrize("n", [1, 2])
def test_mended(n):
    pass


def test_would_crash():
    os._exit(3)


@pytest.mark.skip(reason="not here")
def test_skipped():
    pass


@pytest.mark.xfail(reason="upstream knows")
def test_upstream():
    assert False


@pytest.mark.slow
def test_slow():
    pass


@pytest.fixture
def broken():
    raise RuntimeError("no fixture")


def test_errs(broken):
    pass
"""


def pinned(path: Path, name: str, version: str = "1.0", *, farm: bool = False) -> PinnedWheel:
    """A wheel file as a value."""
    sha256 = digest(path.read_bytes())
    return PinnedWheel(name=parse_name(name), version=version, path=path, sha256=sha256, farm=farm)


def runner(directory: Path) -> list[PinnedWheel]:
    """Wheels of pytest and all that it and xdist need."""
    wheels = []
    for name, package in _RUNNER.items():
        found = distribution(name)
        more: dict[str, str] = {}
        if name == "pytest_xdist":
            more[f"{name}-{found.version}.dist-info/entry_points.txt"] = (
                found.read_text("entry_points.txt") or ""
            )
        if name == "pytest":
            beside = [each for each in found.files or () if each.parts[0] in {"pytest", "py.py"}]
            for each in beside:
                if each.suffix == ".py":
                    more[each.as_posix()] = Path(str(found.locate_file(each))).read_text(encoding="utf-8")
        wheels.append(pinned(repack(name, directory, package, more), name, found.version))
    return wheels


def package(directory: Path) -> list[PinnedWheel]:
    """A package, and its tests in a wheel of their own."""
    code = {"alpha/__init__.py": "X = 1\n"}
    suite = {"alpha/tests/test_all.py": TESTS, "alpha/tests/test_broken.py": "import nothing_like_it\n"}
    return [
        pinned(make_wheel(directory, "alpha", "1.0", code), "alpha", farm=True),
        pinned(
            make_wheel(directory, "alpha-tests", "1.0", {"alpha/tests/__init__.py": "", **suite}),
            "alpha-tests",
            farm=True,
        ),
    ]
