"""The index that pip and uv use on this machine."""

from __future__ import annotations

import configparser
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Parser(configparser.RawConfigParser):
    """Reads both spellings of a key, as pip does."""

    def optionxform(self, optionstr: str) -> str:
        return super().optionxform(optionstr).replace("_", "-")


def pip_index(environ: Mapping[str, str], platform: str = sys.platform) -> tuple[str | None, str]:
    """The url of the index, None where nobody names one, and who does: a variable, a file or the default.

    Raises:
        SettingsError: when a file of pip's cannot be read.
    """
    for variable in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        if environ.get(variable):
            # uv takes `name=url` too.
            name, _, url = environ[variable].partition("=")
            return environ[variable] if ":" in name or not url else url, variable
    for path in filter(Path.is_file, pip_files(environ, platform)):
        parser = _Parser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as problem:
            raise SettingsError(
                "cannot read pip's configuration", where=str(path), why=str(problem)
            ) from problem
        if parser.has_option("global", "index-url"):
            return parser.get("global", "index-url"), str(path)
    return None, "default"


def pip_files(environ: Mapping[str, str], platform: str) -> list[Path]:
    """The files that configure pip, the one that wins first (its documentation, "Configuration")."""
    own = environ.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return []
    home = Path(environ.get("USERPROFILE" if platform == "win32" else "HOME") or Path.home())
    match platform:
        case "win32":
            users, everyone = _windows(environ, home)
        case "darwin":
            users, everyone = _macos(home)
        case _:
            users, everyone = _unix(environ, home)
    if own and Path(own).exists():
        # pip reads no file of the user's then.
        return [Path(own), *everyone]
    return [*users, *everyone]


def _windows(environ: Mapping[str, str], home: Path) -> tuple[list[Path], list[Path]]:
    roaming = Path(environ.get("APPDATA") or home / "AppData" / "Roaming")
    common = Path(environ.get("PROGRAMDATA") or "C:/ProgramData")
    return [roaming / "pip" / "pip.ini", home / "pip" / "pip.ini"], [common / "pip" / "pip.ini"]


def _macos(home: Path) -> tuple[list[Path], list[Path]]:
    support = home / "Library" / "Application Support" / "pip"
    user = support if support.is_dir() else home / ".config" / "pip"
    everyone = Path("/Library/Application Support/pip/pip.conf")
    return [user / "pip.conf", home / ".pip" / "pip.conf"], [everyone]


def _unix(environ: Mapping[str, str], home: Path) -> tuple[list[Path], list[Path]]:
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    shared = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    everyone = [Path("/etc/pip.conf"), *(Path(each, "pip", "pip.conf") for each in reversed(shared))]
    return [config / "pip" / "pip.conf", home / ".pip" / "pip.conf"], everyone
