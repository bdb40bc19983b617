"""Writes a new directory as a whole or not at all, and removes what a killed process has left of one."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import WheelhouseError
from wheelfarm.system.files import (
    TEMPORARY_PREFIX,
    ensure_directory,
    explain_os_errors,
    flush_directory,
    remove_tree,
)
from wheelfarm.system.locks import LockTimeoutError, hold_lock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LOCK: Final = ".lock"


def write_new_directory(path: Path, files: Mapping[str, bytes], noun: str) -> None:
    """Write a new directory with files as a whole or not at all; `noun` names it in errors.

    What killed processes have left beside it is removed. The kernel frees the lock of a process that ends.

    Raises:
        WheelhouseError: when there is a directory of that name that is not empty, also one that appears
            meanwhile; when the disk is full or not writable.
    """
    draft = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    with explain_os_errors(path, noun):
        ensure_directory(path.parent)
        remove_leftovers(path.parent)
        lock = draft.with_name(f"{draft.name}{_LOCK}")
        # The lock is there before the directory: one without a lock is left over.
        with hold_lock(lock):
            try:
                ensure_directory(draft)
                for name, data in files.items():
                    with (draft / name).open("xb") as file:
                        file.write(data)
                        file.flush()
                        os.fsync(file.fileno())
                flush_directory(draft)
                draft.rename(path)
            except OSError as error:
                if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                    why = "a directory of that name is not empty, and nothing is overwritten"
                    raise WheelhouseError(f"{noun} is not written", where=str(path), why=why) from error
                raise
            finally:
                if draft.is_dir():
                    remove_tree(draft)
                lock.unlink(missing_ok=True)
        flush_directory(path.parent)


def remove_leftovers(parent: Path) -> None:
    """Remove the unfinished directories in a directory that no live process writes.

    Raises:
        OSError: when one cannot be removed.
    """
    left = {each.name.removesuffix(_LOCK) for each in parent.glob(f"{TEMPORARY_PREFIX}*")}
    for draft in (parent / name for name in sorted(left)):
        lock = draft.with_name(f"{draft.name}{_LOCK}")
        if not draft.is_dir() and not lock.exists():
            continue  # a file that is being written
        with suppress(LockTimeoutError), hold_lock(lock, timeout=0):
            if draft.is_dir():
                remove_tree(draft)
            lock.unlink(missing_ok=True)
