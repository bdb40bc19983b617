"""The host engine as another user than root, where namespaces are allowed and where nothing confines builds.

The user is one of a container, which the machine's own Python and this repository are mounted into.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.tiny import LEAF, tiny_farm, tiny_index

if TYPE_CHECKING:
    from wheelfarm.recipes.settings import Settings

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
RUN = """\
import json, os, sys
from pathlib import Path
from support.tiny import run_farm
from wheelfarm.recipes.settings import load
run = run_farm(load(Path(sys.argv[1])))
outcome = run.outcomes["tinyleaf"]
record = run.record("tinyleaf") if outcome.wheel else None
found = {"user": os.geteuid(), "state": outcome.state, "error": str(outcome.error)}
if record:
    found |= {"isolation": record.isolation, "warnings": outcome.warnings, "recorded": record.warnings}
print(json.dumps(found))
"""
# The interpreter may be in the home directory of this machine's root, which is root's alone.
AS_USER = """\
chmod a+x /root
exec setpriv --reuid=1000 --regid=1000 --clear-groups --bounding-set=-all --inh-caps=-all "$@"
"""
FREE = (
    "--security-opt=seccomp=unconfined",
    "--security-opt=unmask=ALL",
    "--security-opt=apparmor=unconfined",
)
"""The options of a container whose users may make namespaces, as those of most machines."""
HERE = "neither bubblewrap nor user namespaces work here: apt-get install bubblewrap"


def run_as_user(settings: Settings, image: str, *options: str) -> dict[str, Any]:
    """Run the farm in a container as a user that is not root."""
    for path in (settings.root, *settings.root.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    mounts = [*dict.fromkeys((str(ROOT), sys.base_prefix, sys.prefix))]
    words = [
        *("podman", "run", "--rm", "--network=none", "--env=HOME=/tmp"),
        *(f"--volume={path}:{path}:ro" for path in mounts),
        f"--volume={settings.root.parent}:{settings.root.parent}",
        f"--env=PYTHONPATH={ROOT / 'tests'}:{ROOT / 'src'}",
        f"--env=PATH={Path(sys.executable).parent}:/usr/bin:/bin",
        *options,
        *(image, "sh", "-c", AS_USER, "sh", sys.executable, "-c", RUN, str(settings.root)),
    ]
    finished = subprocess.run(words, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    assert found["user"] == 1000
    assert found["state"] == "built", found["error"]
    return found


@pytest.fixture
def farm(tmp_path: Path) -> Settings:
    tmp_path.parent.chmod(0o755)
    tmp_path.chmod(0o777)
    return tiny_farm(tmp_path / "farm", tiny_index(tmp_path / "index"), LEAF, settings={"time-limit": 600.0})


def test_nothing_confines_a_build(farm: Settings, container: dict[str, str]) -> None:
    """A container lets a user make no namespaces, and the image has no bubblewrap: the build goes on."""
    found = run_as_user(farm, container["WHEELFARM_IMAGE_MANYLINUX_X86_64"])
    assert (found["state"], found["isolation"]) == ("built", "none"), found["error"]
    assert f"not isolated: {HERE}" in found["warnings"]


@pytest.mark.parametrize("kind", ["bubblewrap", "namespaces"])
def test_a_user_s_build_is_confined(farm: Settings, container: dict[str, str], kind: str) -> None:
    program = shutil.which("bwrap")
    assert program, "apt-get install bubblewrap"
    options = (*FREE, f"--volume={program}:/usr/bin/bwrap:ro") if kind == "bubblewrap" else FREE
    found = run_as_user(farm, container["WHEELFARM_IMAGE_MANYLINUX_X86_64"], *options)
    assert (found["state"], found["isolation"]) == ("built", kind), found["error"]
    assert not [each for each in found["warnings"] if "not isolated" in each]
