"""The content-addressed cache: `sha256/<first two digits>/<digest>/<filename>`, and remembered answers."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from wheelfarm.errors import HashError, UsageError
from wheelfarm.model import Digest, parse_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

CHUNK: Final = 1 << 18
"""Bytes that are read, hashed and written at once."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._+!-]")


@dataclass(frozen=True)
class Cache:
    """A directory of verified files that several processes may share.

    A file gets its name in one step and only after its bytes were hashed, so that a kill at any instant
    leaves whole files only; two that fetch the same file at once both put the same bytes there.
    """

    root: Path

    def find(self, digest: Digest) -> Path | None:
        """The file with this digest, hashed anew; a damaged one is removed."""
        for path in sorted(self._directory(digest).glob("*")):
            if digest_of(path) == digest:
                return path
            path.unlink(missing_ok=True)
        return None

    def store(
        self, chunks: Iterable[bytes], filename: str, *, accepted: Collection[Digest] | None, origin: str
    ) -> tuple[Path, Digest]:
        """Write a file, provided that its digest is one of those accepted (None accepts all).

        Raises:
            HashError: when it is another; nothing is kept then.
        """
        hasher = hashlib.sha256()
        with _Draft(self.root / "sha256") as draft:
            for chunk in chunks:
                hasher.update(chunk)
                draft.file.write(chunk)
            digest = Digest(hasher.hexdigest())
            if accepted is not None and digest not in accepted:
                raise mismatch(filename, origin, pinned=accepted, found=digest)
            path = self._directory(digest) / (_UNSAFE.sub("_", filename).lstrip(".") or "file")
            draft.keep_as(path)
        return path, digest

    def recall(self, question: Mapping[str, Any]) -> tuple[Path, Digest] | None:
        """The file that was once the answer, if it is still here and whole."""
        try:
            digest = parse_digest(json.loads(self._answer(question).read_bytes())["sha256"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, UsageError):
            self._answer(question).unlink(missing_ok=True)
            return None
        path = self.find(digest)
        return (path, digest) if path else None

    def remember(self, question: Mapping[str, Any], digest: Digest) -> None:
        """Keep the digest of a file as the answer to a question, beside the question for whoever looks."""
        with _Draft(self.root / "answers") as draft:
            answer = {"question": question, "sha256": digest}
            draft.file.write(json.dumps(answer, indent=1, sort_keys=True).encode())
            draft.keep_as(self._answer(question))

    def _directory(self, digest: Digest) -> Path:
        return self.root / "sha256" / digest[:2] / digest

    def _answer(self, question: Mapping[str, Any]) -> Path:
        key = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
        return self.root / "answers" / key[:2] / f"{key}.json"


class _Draft:
    """A file without a name of its own yet, on the file system of the cache; removed unless it is kept."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=".draft-", dir=directory)
        self._path = Path(name)
        self.file = os.fdopen(number, "wb")

    def keep_as(self, path: Path) -> None:
        """Give it its name, once its bytes are on the disk."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()  # Windows renames closed files only
        self._path.chmod(0o644)  # others may share the cache
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path.replace(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self._path.unlink(missing_ok=True)


def digest_of(path: Path) -> Digest:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


def chunks_of(path: Path) -> Iterator[bytes]:
    """A file piece by piece."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def mismatch(filename: str, origin: str, *, pinned: Collection[Digest], found: str) -> HashError:
    """The error for bytes that are not the pinned ones."""
    return HashError(
        f"{filename} is not the file that was pinned",
        where=origin,
        why=f"pinned is sha256 {' or '.join(sorted(pinned))}, found {found}",
        hint="do not re-pin before you know why it changed: a cut-off download, a replaced file or an attack",
    )
