"""Real git repositories."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ENV: Final = {
    "PATH": os.defpath,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_AUTHOR_DATE": "1600000000 +0200",
    "GIT_COMMITTER_DATE": "1600000000 +0200",
}


@dataclass(frozen=True)
class Repository:
    """A repository with a work tree, made by fixed people at a fixed time."""

    path: Path

    @classmethod
    def create(cls, path: Path, *, hash_format: str = "sha1") -> Repository:
        """Make an empty one."""
        path.mkdir(parents=True)
        repository = cls(path)
        repository.git("init", "--quiet", "--initial-branch=main", f"--object-format={hash_format}")
        return repository

    def git(self, *arguments: str) -> str:
        """Run git in it."""
        command = ["git", "-c", "protocol.file.allow=always", "-c", "core.autocrlf=false", *arguments]
        done = subprocess.run(command, cwd=self.path, env=_ENV, capture_output=True, check=True)
        return done.stdout.decode()

    def commit(self, files: Mapping[str, bytes] | None = None) -> str:
        """Write files, commit everything, and give the commit's hash."""
        for name, content in (files or {}).items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=a change")
        return self.git("rev-parse", "HEAD").strip()

    def diff(self, *options: str) -> bytes:
        """What changed since the last commit, as `git diff` has it; new files too."""
        self.git("add", "--all")
        command = ["git", "diff", "--binary", "--cached", *options]
        done = subprocess.run(command, cwd=self.path, env=_ENV, capture_output=True, check=True)
        return done.stdout
