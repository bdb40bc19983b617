"""The environment of a child process: the variables of the host that it may have, and its programs."""

from __future__ import annotations

import os
import shutil
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Directories, user and network. Variables that can change the bytes of a wheel (CFLAGS, LDFLAGS, PYTHONPATH,
# PIP_*, UV_*, CIBW_*, OPENBLAS_*, TZ) are not allowed: a recipe has to set them.
_ALLOWED: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "XDG_*"),
    *("LANG", "LANGUAGE", "LC_*"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"),
    *("*_proxy", "*_PROXY"),
    *("DOCKER_HOST", "DOCKER_CONFIG", "CONTAINER_HOST", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"),
)

# Without most of these neither CPython nor the compilers start on Windows, where case does not count.
_ALLOWED_ON_WINDOWS: Final = frozenset(
    (
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "OS"),
        *("USERPROFILE", "USERNAME", "HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA"),
        *("PROGRAMDATA", "ALLUSERSPROFILE", "PROGRAMFILES", "PROGRAMFILES(X86)", "PROGRAMW6432"),
        *("COMMONPROGRAMFILES", "COMMONPROGRAMFILES(X86)", "COMMONPROGRAMW6432"),
        *("NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE", "PROCESSOR_IDENTIFIER"),
    )
)


def allowed(environ: Mapping[str, str], *, keep: Iterable[str] = ()) -> dict[str, str]:
    """The variables of the host that a child may see, sorted; `keep` adds names and patterns (`CCACHE_*`)."""
    patterns = (*_ALLOWED, *keep)
    return {
        name: value
        for name, value in sorted(environ.items())
        if name.upper() in _ALLOWED_ON_WINDOWS or any(fnmatchcase(name, pattern) for pattern in patterns)
    }


_SYSTEM_PATH: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def system_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The same, but on Linux without the user's own directories on PATH, such as ~/.local/bin."""
    env = allowed(environ)
    return env | {"PATH": os.pathsep.join(_SYSTEM_PATH)} if sys.platform == "linux" else env


_PRIVATE: Final = ("XDG_", "DOCKER_", "CONTAINER", "SSL_CERT_", "GIT_SSL_", "REQUESTS_CA_", "CURL_CA_")


def backend_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The same for a backend, which has no use for the user's settings, container engine and certificates.

    What lies in a home directory, such as setuptools' own settings, is no part of a build key.
    """
    found = system_environment(environ).items()
    return {name: value for name, value in found if not name.startswith(_PRIVATE)}


def which(program: str, env: Mapping[str, str]) -> Path | None:
    """The file that a child with this environment would run, or None."""
    found = shutil.which(program, path=env.get("PATH", os.defpath))
    return Path(found).absolute() if found else None
