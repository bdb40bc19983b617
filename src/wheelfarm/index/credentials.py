"""Who publishes: found where users of twine keep it, and shown nowhere."""

from __future__ import annotations

import json
import netrc
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wheelfarm.errors import ProcessError, PublishError
from wheelfarm.system.environment import which
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KEYRING: Final = 60.0
"""Seconds for the keyring, which may have to ask somebody."""


@dataclass(frozen=True)
class Credentials:
    """A user and a password, or a token in its place."""

    username: str
    password: str = field(repr=False)
    origin: str
    """Where they were found."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that twine reads; a command line could be read by all users of the machine."""
        return {"TWINE_USERNAME": self.username, "TWINE_PASSWORD": self.password}


def find_credentials(url: str, environ: Mapping[str, str], env: Mapping[str, str]) -> Credentials | None:
    """The credentials for an index: from TWINE_USERNAME and TWINE_PASSWORD, netrc or the keyring.

    Args:
        url: the index.
        environ: the user's environment.
        env: the environment in which `keyring` is found and run.

    Returns:
        None when nobody has any: an index may ask for none.

    Raises:
        PublishError: when netrc cannot be read.
    """
    username, password = environ.get("TWINE_USERNAME"), environ.get("TWINE_PASSWORD")
    if password:
        # Indexes that take tokens call their user so, as twine does.
        said = "TWINE_USERNAME and TWINE_PASSWORD" if username else "TWINE_PASSWORD"
        return Credentials(username or "__token__", password, said)
    return _netrc(url, environ, username) or _keyring(url, env, username)


def _netrc(url: str, environ: Mapping[str, str], username: str | None) -> Credentials | None:
    host = urlsplit(url).hostname or ""
    for path in filter(Path.is_file, _netrc_files(environ)):
        try:
            found = netrc.netrc(str(path)).authenticators(host)
        except (netrc.NetrcParseError, UnicodeDecodeError, OSError) as error:
            # The parser's message may quote a line, and with it a password.
            raise PublishError(
                "netrc cannot be read",
                where=str(path),
                why=type(error).__name__,
                hint="repair_index the file",
            ) from None
        if found and found[2] and username in {None, "", found[0]}:
            return Credentials(found[0], found[2], str(path))
    return None


def _netrc_files(environ: Mapping[str, str]) -> Iterator[Path]:
    if environ.get("NETRC"):
        yield Path(environ["NETRC"])
        return
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if home:
        yield from (Path(home) / ".netrc", Path(home) / "_netrc")


def _keyring(url: str, env: Mapping[str, str], username: str | None) -> Credentials | None:
    """What the keyring has under the index's url, where twine puts it too."""
    if which("keyring", env) is None:
        return None
    argv = ["keyring", "--mode", "creds", "--output", "json", "get", url]
    command = Command(argv=(*argv, *([username] if username else [])), env=env, time_limit=_KEYRING)
    try:
        found = json.loads(run(command).output.strip().rpartition("\n")[2])
        return Credentials(found["username"], found["password"], "keyring")
    except (ProcessError, ValueError, KeyError, TypeError):
        return None  # it has none, or there is no keyring on this machine
