"""The script that trains a profile: what its runs have in common."""

from __future__ import annotations

import subprocess
import sys

from wheelfarm.build.inside import profile


def test_objects_have_the_same_addresses_in_each_run() -> None:
    """The order of a set of objects depends on them, and so do the counts."""
    argv = [sys.executable, "-c", "print(id(object()))"]
    env = {"PYTHONHASHSEED": "0"}
    runs = [
        subprocess.run(argv, env=env, preexec_fn=profile.keep_addresses, capture_output=True, check=True)
        for _ in range(4)
    ]
    assert len({run.stdout for run in runs}) == 1
