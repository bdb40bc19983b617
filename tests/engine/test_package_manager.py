"""An interrupt and a kill while the real apt and dpkg install a system package, as root of a container."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

pytestmark = pytest.mark.engine

ROOT: Final = Path(__file__).parents[2]
SCRIPT: Final = """\
import json, os, signal, subprocess, sys, threading, time
from pathlib import Path
from wheelfarm.errors import FarmError
from wheelfarm.system.machine import Machine

DEB, CONFIGURES = "/tmp/tiny.deb", Path("/tmp/configures")
control = Path("/tmp/tiny/DEBIAN")
control.mkdir(parents=True)
(control / "control").write_text(
    "Package: tiny\\nVersion: 1\\nArchitecture: all\\nMaintainer: a test\\nDescription: a test\\n"
)
(control / "postinst").write_text(
    "#!/bin/sh\\necho $PPID > /tmp/new\\nmv /tmp/new /tmp/configures\\nsleep 2\\n"
)
(control / "postinst").chmod(0o755)
subprocess.run(["dpkg-deb", "--build", control.parent, DEB], check=True, capture_output=True)

def act():
    while not CONFIGURES.exists():
        time.sleep(0.01)
    if sys.argv[1] == "interrupt":
        # As a terminal does: to all processes of the foreground.
        os.killpg(0, signal.SIGINT)
    else:
        os.kill(int(CONFIGURES.read_text()), signal.SIGKILL)

def state():
    show = ("dpkg-query", "--show", "--showformat=${Status}", "tiny")
    return subprocess.run(show, capture_output=True, text=True).stdout

threading.Thread(target=act, daemon=True).start()
machine, found = Machine(dict(os.environ)), {}
for attempt in ("first", "second"):
    try:
        machine.install((DEB,), log=Path("/tmp/log"))
        found[attempt] = "installed"
    except KeyboardInterrupt:
        found[attempt] = "interrupted"
    except FarmError as error:
        found[attempt] = error.hint
    found[f"state after the {attempt}"] = state()
if not found["second"] == "installed":
    subprocess.run(["sh", "-c", found["second"]], check=True, capture_output=True)
found["state in the end"] = state()
print(json.dumps(found))
"""
INSTALLED: Final = "install ok installed"


def install(image: str, how: str) -> dict[str, Any]:
    mounts = [*dict.fromkeys((str(ROOT), sys.base_prefix, sys.prefix))]
    words = [
        *("podman", "run", "--rm", "--network=none", *(f"--volume={path}:{path}:ro" for path in mounts)),
        *(f"--env=PYTHONPATH={ROOT / 'src'}", image, sys.executable, "-c", SCRIPT, how),
    ]
    finished = subprocess.run(words, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return found


def test_dpkg_finishes_before_an_interrupt_ends_the_run(container: dict[str, str]) -> None:
    assert install(container["WHEELFARM_IMAGE_MANYLINUX_X86_64"], "interrupt") == {
        "first": "interrupted",
        "state after the first": INSTALLED,
        "second": "installed",
        "state after the second": INSTALLED,
        "state in the end": INSTALLED,
    }


def test_a_dpkg_that_was_killed_has_to_be_configured(container: dict[str, str]) -> None:
    """The error has the commands, and they help."""
    found = install(container["WHEELFARM_IMAGE_MANYLINUX_X86_64"], "kill")
    assert found["first"].startswith("dpkg --configure -a && apt-get update"), found
    assert found["state after the first"] == "install ok half-configured"
    assert found["state in the end"] == INSTALLED
