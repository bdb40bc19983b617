"""The environment that the farm itself runs in: made from a lock with hashes, and anew when that changes."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.system.shipped import installed_record, shipped_farm

if TYPE_CHECKING:
    import nox

_MARK: Final = "made-from"


def _digest(file: Path) -> str:
    record = installed_record()
    own = record.read_bytes() if record else b""
    return hashlib.sha256(file.read_bytes() + sys.version.encode() + own).hexdigest()


def tools_environment(session: nox.Session, root: Path, lock_name: str, wheels: Path | None = None) -> Path:
    """Make the environment that `requirements/<lock_name>.txt` lists, with this wheelfarm in it.

    A farm without that lock uses the one that wheelfarm brings along.

    Args:
        session: runs what is needed.
        root: the farm.
        lock_name: the lock.
        wheels: a directory that has all wheels, where no index is to be used.

    Returns:
        Its interpreter.
    """
    lock_file = f"requirements/{lock_name}.txt"
    found = (each / lock_file for each in (root, shipped_farm()))
    file = next((each for each in found if each.is_file()), None)
    if file is None:
        session.error(f"{lock_file} is missing, and this wheelfarm brings none along: install it again")
    env_dir = root / ".nox" / f"farm-{lock_name}"
    python = env_dir / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    digest = _digest(file)
    if _made_from(env_dir) == digest:
        return python
    # nox depends on virtualenv, which depends on filelock; most runs need no lock.
    from filelock import FileLock, Timeout  # noqa: PLC0415

    name = env_dir.relative_to(root)
    lock = FileLock(f"{env_dir}.lock")
    try:
        guard = lock.acquire(blocking=False)
    except Timeout:
        session.log(f"waiting for {name}")
        guard = lock.acquire()
    with guard:
        # Another run may have made it while this one waited.
        if _made_from(env_dir) != digest:
            session.log(f"making the environment {name} (once)")
            _make(session, env_dir, python, file, wheels)
            # Last, so that an environment with it is whole.
            (env_dir / _MARK).write_text(digest)
    return python


def _made_from(env_dir: Path) -> str | None:
    try:
        return (env_dir / _MARK).read_text()
    except OSError:
        return None


def _make(session: nox.Session, env_dir: Path, python: Path, file: Path, wheels: Path | None) -> None:
    words = ["-m", "virtualenv", "--clear", "--no-periodic-update", "--quiet", str(env_dir)]
    # `run_install`, so that `nox --install-only` makes the environment too.
    session.run_install(sys.executable, *words, external=True, silent=True)
    install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--disable-pip-version-check"]
    install += ["--no-index", "--find-links", str(wheels)] if wheels else []
    session.run_install(str(python), *install, "-r", str(file), external=True)
    (site,) = (
        env_dir.glob("[Ll]ib/python*/site-packages") if os.name != "nt" else [env_dir / "Lib/site-packages"]
    )
    _add_wheelfarm(site)


def _add_wheelfarm(site: Path) -> None:
    """Put this wheelfarm into an environment: a copy, or the path of its source.

    The path of an installed one would bring along all else that is installed beside it.
    """
    package, record = Path(__file__).parents[1], installed_record()
    if record is None:
        (site / "wheelfarm.pth").write_text(f"{package.parent}\n", encoding="utf-8")
        return
    for directory in (package, record.parent):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(directory, site / directory.name, ignore=ignore, dirs_exist_ok=True)
