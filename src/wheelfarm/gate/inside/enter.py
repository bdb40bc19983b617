"""Makes a virtual environment with the target's interpreter, and runs a driver in it.

The wheels are next to this file, with their hashes in manifest.json; nothing is downloaded.
Uses the standard library only.

Usage: enter.py DIRECTORY [UV]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path


def run(words: list[str], env: dict[str, str], cwd: Path) -> None:
    """Run a program; end with its exit code when it fails."""
    finished = subprocess.run(words, env=env, cwd=cwd, check=False)
    if finished.returncode:
        sys.exit(finished.returncode if finished.returncode > 0 else 128 - finished.returncode)


def runs(program: str, env: dict[str, str]) -> bool:
    """Whether a program exists and runs here."""
    try:
        return not subprocess.run(
            [program, "--version"], env=env, capture_output=True, check=False
        ).returncode
    except OSError:
        return False


def make_environment(env_dir: Path, requirements: Path, uv: str | None, env: dict[str, str]) -> Path:
    """Make an environment with the required wheels; returns its interpreter."""
    python = env_dir / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    checks = ["--no-index", "--require-hashes", "--quiet", "-r", str(requirements)]
    # uv is mounted from another system at times; where it does not run, pip does the same more slowly.
    if uv and runs(uv, env):
        words = [uv, "--offline", "--no-config", "--no-cache", "--quiet"]
        run([*words, "venv", "--no-project", "--python", sys.executable, str(env_dir)], env, env_dir.parent)
        run([*words, "pip", "install", "--python", str(python), *checks], env, env_dir.parent)
    else:
        venv.create(env_dir, with_pip=True)
        run([str(python), "-m", "pip", "--isolated", "install", *checks], env, env_dir.parent)
    return python


def main(directory: Path, uv: str | None) -> None:
    """Install and test in a temporary directory."""
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    hidden = ("LD_", "DYLD_", "PYTHON", "PIP_", "UV_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    with tempfile.TemporaryDirectory(prefix="wheelfarm-gate-") as scratch:
        root = Path(scratch)
        env |= {"HOME": scratch, **manifest["environment"]}
        lines = [
            f"{wheel['name']} @ {(directory / wheel['file']).as_uri()} --hash=sha256:{wheel['sha256']}"
            for wheel in manifest["wheels"]
        ]
        (root / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (root / "work").mkdir()
        python = make_environment(root / "env", root / "requirements.txt", uv, env)
        run([str(python), "-I", str(directory / manifest["driver"]), str(directory)], env, root / "work")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else None)  # noqa: PLR2004
