"""The environment that the farm itself runs in: made from a lock with hashes, kept until that changes."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import nox


def _digest(*files: Path) -> str:
    content = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


def tools_environment(session: nox.Session, root: Path, *locks: str) -> Path:
    """The interpreter of an environment with what the lock files list, and the farm's own source on its path.

    Args:
        session: for running what makes it.
        root: the farm.
        locks: names of lock files in requirements/, without ending.
    """
    files = [root / "requirements" / f"{lock}.txt" for lock in locks]
    env_dir = root / ".nox" / f"farm-{'-'.join(locks)}"
    python = env_dir / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    mark = env_dir / "made-from"
    digest = _digest(*files)
    if not mark.exists() or mark.read_text() != digest:
        session.log(f"making the environment {env_dir.relative_to(root)} (once)")
        words = ["-m", "virtualenv", "--clear", "--no-periodic-update", "--quiet", str(env_dir)]
        session.run(sys.executable, *words, external=True, silent=True)
        install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--disable-pip-version-check"]
        wanted = [word for file in files for word in ("-r", str(file))]
        session.run(str(python), *install, *wanted, external=True)
        (site,) = (
            env_dir.glob("[Ll]ib/python*/site-packages")
            if os.name != "nt"
            else [env_dir / "Lib/site-packages"]
        )
        (site / "wheelfarm.pth").write_text(f"{Path(__file__).parents[2]}\n", encoding="utf-8")
        mark.write_text(digest)
    return python
