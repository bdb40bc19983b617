"""The password file of the farm's own server: htpasswd's form, with bcrypt (`htpasswd -B`)."""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from binascii import Error
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Self

from wheelfarm.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_BCRYPT: Final = re.compile(r"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}")


@dataclass(frozen=True)
class Passwords:
    """Users and what bcrypt makes of their passwords."""

    users: Mapping[str, bytes]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file with a line `user:hash` for each user.

        Raises:
            SettingsError: when it cannot be read, is empty, or holds something else than bcrypt's hashes; and
                when bcrypt is not installed.
        """
        if find_spec("bcrypt") is None:
            raise SettingsError("bcrypt is not installed", hint="pip install 'wheelfarm[index]'")
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                "the password file cannot be read", where=str(path), why=type(error).__name__, hint=_HINT
            ) from None
        users: dict[str, bytes] = {}
        for number, line in enumerate(lines, 1):
            user, colon, hashed = line.strip().partition(":")
            if not user or user.startswith("#"):
                continue
            if not colon or not _BCRYPT.fullmatch(hashed):
                # The line itself is not shown: it may hold a password.
                raise SettingsError(
                    "this is no password that bcrypt has hashed", where=f"{path}: line {number}", hint=_HINT
                )
            users[user] = hashed.encode()
        if not users:
            raise SettingsError("the password file names nobody", where=str(path), hint=_HINT)
        return cls(users)

    def admit(self, authorization: str) -> bool:
        """Whether an Authorization header (RFC 7617, Basic) is that of a user."""
        scheme, _, encoded = authorization.partition(" ")
        try:
            user, colon, password = b64decode(encoded, validate=True).decode().partition(":")
        except (Error, UnicodeDecodeError):
            return False
        hashed = self.users.get(user)
        return scheme.lower() == "basic" and bool(colon) and hashed is not None and _fits(password, hashed)


@lru_cache(maxsize=64)
def _fits(password: str, hashed: bytes) -> bool:
    """Bcrypt is slow on purpose, and an installer asks for many files."""
    import bcrypt  # noqa: PLC0415 - only a server with a password file needs it

    return hmac.compare_digest(bcrypt.hashpw(password.encode()[:72], hashed), hashed)


_HINT: Final = "htpasswd -B -c FILE USER writes one"
