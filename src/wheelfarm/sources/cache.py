"""The content-addressed cache: `sha256/<first two digits>/<digest>/<filename>`, and stored answers."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

from wheelfarm.errors import HashError, UsageError
from wheelfarm.model import Digest, parse_digest, sha256_of_json
from wheelfarm.system.files import parse_json, rename_durably, sha256_of_file, temporary_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

CHUNK: Final = 1 << 18
"""Bytes that are read, hashed and written at once."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._+!-]")


@dataclass(frozen=True)
class Cache:
    """A directory of verified files that several processes may share.

    A file gets its name in one step, after its bytes were hashed: a kill leaves whole files only, and two
    processes that fetch the same file write the same bytes.
    """

    root: Path

    def find(self, digest: Digest) -> Path | None:
        """The file with this digest, hashed anew; a damaged one is removed."""
        for path in sorted(self._directory(digest).glob("*")):
            if sha256_of_file(path) == digest:
                return path
            path.unlink(missing_ok=True)
        return None

    def has(self, digest: Digest) -> bool:
        """Whether there is a file with this digest; nothing is read, and `find` may yet find it damaged."""
        return any(self._directory(digest).glob("*"))

    def store(
        self, chunks: Iterable[bytes], filename: str, *, accepted: Collection[Digest] | None, origin: str
    ) -> tuple[Path, Digest]:
        """Write a file, provided that its digest is one of those accepted (None accepts all).

        Raises:
            HashError: when it is another; nothing is stored then.
        """
        with temporary_path(self.root / "sha256") as draft:
            with draft.open("xb") as file:
                digest = write_chunks(file, chunks)
            if accepted is not None and digest not in accepted:
                raise mismatch(filename, origin, pinned=accepted, found=digest)
            path = self._directory(digest) / (_UNSAFE.sub("_", filename).lstrip(".") or "file")
            rename_durably(draft, path)
        return path, digest

    def recall(self, question: Mapping[str, Any]) -> tuple[Path, Digest] | None:
        """The file that is the stored answer, if it still exists and is whole."""
        try:
            digest = parse_digest(parse_json(self._answer(question).read_bytes())["sha256"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, UsageError):
            self._answer(question).unlink(missing_ok=True)
            return None
        path = self.find(digest)
        return (path, digest) if path else None

    def remember(self, question: Mapping[str, Any], digest: Digest) -> None:
        """Store a question with the digest of the file that answers it."""
        answer = {"question": question, "sha256": digest}
        with temporary_path(self.root / "answers") as draft:
            draft.write_text(json.dumps(answer, indent=1, sort_keys=True), encoding="utf-8")
            rename_durably(draft, self._answer(question))

    def _directory(self, digest: Digest) -> Path:
        return self.root / "sha256" / digest[:2] / digest

    def _answer(self, question: Mapping[str, Any]) -> Path:
        key = sha256_of_json(question)
        return self.root / "answers" / key[:2] / f"{key}.json"


def chunks_of(path: Path) -> Iterator[bytes]:
    """A file piece by piece."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def write_chunks(file: IO[bytes], chunks: Iterable[bytes]) -> Digest:
    """Write a file piece by piece, and return the sha256 of what was written."""
    hasher = hashlib.sha256()
    for chunk in chunks:
        hasher.update(chunk)
        file.write(chunk)
    return Digest(hasher.hexdigest())


def mismatch(filename: str, origin: str, *, pinned: Collection[Digest], found: str) -> HashError:
    """The error for bytes that are not the pinned ones."""
    return HashError(
        f"{filename} is not the file that was pinned",
        where=origin,
        why=f"pinned is sha256 {' or '.join(sorted(pinned))}, found {found}",
        hint="do not re-pin before you know why it changed: a cut-off download, a replaced file or an attack",
    )
