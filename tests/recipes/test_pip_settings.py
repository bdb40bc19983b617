"""The index that pip and uv use, with pip itself as the oracle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.farm import make_farm, write_farm
from support.raised import only
from wheelfarm.errors import SettingsError
from wheelfarm.recipes.pip_settings import pip_files, pip_index
from wheelfarm.recipes.settings import load


def _index(root: Path, **environ: str) -> tuple[str | None, str]:
    """The index of a farm that names none."""
    settings = make_farm(root, settings={"index-url": None}, environ=environ)
    return settings.index_url, settings.origins["index-url"]


def _write(file: Path, text: str = "[global]\nindex-url = https://x.invalid/\n") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def _pip_says(environ: dict[str, str]) -> str | None:
    """The index that pip itself looks in; it does not tell when that is the public one."""
    argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check", "nothing"]
    result = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    urls = [line.split()[-1] for line in result.stdout.splitlines() if line.startswith("Looking in indexes:")]
    return urls[0] if urls else None


def test_the_index_is_the_public_one_when_nobody_says(tmp_path: Path) -> None:
    # To pip, the null device says that no file counts.
    _write(tmp_path / "home/.pip/pip.conf")
    assert _index(tmp_path, PIP_CONFIG_FILE=os.devnull) == (None, "default")


@pytest.mark.parametrize("prefix", ["", "corp="])
@pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_the_index_of_pip_and_uv_variables(tmp_path: Path, variable: str, prefix: str) -> None:
    url = "https://index.invalid/?a=b"
    assert _index(tmp_path, **{variable: f"{prefix}{url}"}) == (url, variable)


def test_the_farms_own_index_wins(tmp_path: Path) -> None:
    root = write_farm(tmp_path)
    environ = {"PIP_INDEX_URL": "https://other.invalid/"}
    settings = load(root, environ=environ)
    assert (settings.index_url, settings.origins["index-url"]) == (
        "https://index.invalid/simple/",
        "pyproject.toml",
    )
    settings = load(root, environ=environ | {"WHEELFARM_INDEX_URL": "https://third.invalid/"})
    assert settings.origins["index-url"] == "WHEELFARM_INDEX_URL"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the places that pip has on Linux")
def test_the_file_that_wins_is_the_one_that_wins_in_pip(tmp_path: Path) -> None:
    """Each file in turn is taken away; a file that PIP_CONFIG_FILE names hides those of the user."""
    environ = {
        "HOME": str(tmp_path / "home"),
        "PIP_CONFIG_FILE": str(tmp_path / "mine.conf"),
        "XDG_CONFIG_HOME": str(tmp_path / "own"),
        "XDG_CONFIG_DIRS": f"{tmp_path / 'low'}{os.pathsep}{tmp_path / 'high'}",
    }
    names = ("mine.conf", "own/pip/pip.conf", "home/.pip/pip.conf", "high/pip/pip.conf", "low/pip/pip.conf")
    for number, name in enumerate(names):
        _write(tmp_path / name, f"[global]\nindex_url = file:///nowhere/{number}/%20\n")
    for name in names:
        url, origin = pip_index(environ, "linux")
        assert url == _pip_says(environ)
        # This machine may have an index of its own for everyone.
        assert origin in {str(tmp_path / name), "/etc/pip.conf"}
        (tmp_path / name).unlink()
    # Without an index of its own it hides them too.
    _write(tmp_path / "mine.conf", "[global]\ntimeout = 3\n")
    _write(tmp_path / "home/.pip/pip.conf")
    _write(tmp_path / "low/pip/pip.conf", "[global]\nindex-url = file:///nowhere/\n")
    assert pip_index(environ, "linux")[0] == _pip_says(environ)


def test_pips_file_below_the_home_in_its_other_spelling(tmp_path: Path) -> None:
    file = _write(
        tmp_path / "home/.config/pip/pip.conf", "[install]\nindex-url = no\n[global]\nINDEX_URL = y\n"
    )
    assert _index(tmp_path) == ("y", str(file))


def test_pips_files_on_macos(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "/elsewhere"}
    legacy, everyone = tmp_path / ".pip/pip.conf", Path("/Library/Application Support/pip/pip.conf")
    assert pip_files(environ, "darwin") == [tmp_path / ".config/pip/pip.conf", legacy, everyone]
    support = tmp_path / "Library/Application Support/pip"
    support.mkdir(parents=True)
    assert pip_files(environ, "darwin") == [support / "pip.conf", legacy, everyone]
    file = _write(support / "pip.conf")
    assert pip_index(environ, "darwin") == ("https://x.invalid/", str(file))


def test_pips_files_on_windows(tmp_path: Path) -> None:
    roaming, common = tmp_path / "AppData/Roaming", tmp_path / "common"
    environ = {"APPDATA": str(roaming), "USERPROFILE": str(tmp_path), "HOME": "/elsewhere"}
    users = [roaming / "pip/pip.ini", tmp_path / "pip/pip.ini"]
    assert pip_files(environ, "win32") == [*users, Path("C:/ProgramData/pip/pip.ini")]
    assert pip_files(environ | {"PROGRAMDATA": str(common)}, "win32") == [*users, common / "pip/pip.ini"]
    del environ["APPDATA"]
    assert pip_files(environ, "win32")[:2] == users
    file = _write(users[1])
    assert pip_index(environ, "win32") == ("https://x.invalid/", str(file))


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_a_file_that_is_named_hides_those_of_the_user(tmp_path: Path, platform: str) -> None:
    environ = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "mine")}
    without = pip_files(environ, platform)
    assert len([file for file in without if file.is_relative_to(tmp_path)]) == 2
    _write(tmp_path / "mine")
    assert pip_files(environ, platform) == [tmp_path / "mine", *without[2:]]
    assert pip_files(environ | {"PIP_CONFIG_FILE": os.devnull}, platform) == []


@pytest.mark.parametrize("content", [b"index-url = x\n", b"[global]\nindex-url = \xff\n"])
def test_pips_file_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "pip.conf"
    file.write_bytes(content)
    error = only(lambda: _index(tmp_path, PIP_CONFIG_FILE=str(file)), SettingsError)
    assert error.where == str(file)
