"""Runs pytest in a clean environment, with the plugin for known failures.

Uses the standard library only.

Usage: suite_driver.py DIRECTORY
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

TESTS_FAILED = 1


def main(directory: Path) -> int:
    """Run what manifest.json lists; failed tests are a result, not a failure of this program."""
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    out = directory / manifest["out"]
    # No project's settings reach the suite, and a test's id is its path below site-packages.
    settings = Path("pytest.ini")
    settings.write_text("[pytest]\n", encoding="utf-8")
    words = (
        *("-c", str(settings.resolve()), "--rootdir", sysconfig.get_path("platlib")),
        *("-p", "wheelfarm_known", "-p", "no:cacheprovider"),
        *("-n", str(manifest["jobs"]), "--dist", "worksteal", "--continue-on-collection-errors"),
        *("-q", "--tb=short", "--color=no", "--disable-warnings"),
        f"--junitxml={out / 'junit.xml'}",
        *manifest["words"],
    )
    # The suite finds programs of its requirements, such as Meson, by their name.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    ours = {"PATH": path, "PYTHONPATH": str(directory / "plugin"), "WHEELFARM_SUITE": str(directory)}
    env = {**os.environ, **ours}
    code = subprocess.run([sys.executable, "-m", "pytest", *words], env=env, check=False).returncode
    return 0 if code == TESTS_FAILED else code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
