"""Takes a public pure wheel over: it stands where an engine leaves a repaired wheel, with empty reports."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from wheelfarm.build.environment_report import ENVIRONMENT_REPORT, LIBRARY_PROVENANCE

if TYPE_CHECKING:
    from wheelfarm.build.directory import BuildDirectory


def take_over(directory: BuildDirectory) -> None:
    """Copy the verified wheel to where repaired ones are, and write that nothing was built."""
    wheel = directory.tree.source
    shutil.copyfile(wheel.path, directory.dist / wheel.path.name)
    reports = {
        ENVIRONMENT_REPORT: {
            "wheels": [wheel.path.name],
            "built": {"sha256": wheel.sha256, "members": {}},
            "compilers": {},
            "packages": {},
            "compiler-cache": None,
            "build-cache": False,
            "install-plan": {},
            "distributions": [],
        },
        LIBRARY_PROVENANCE: {"kind": "", "distribution": "", "packages": {}},
    }
    for name, report in reports.items():
        (directory.dist / name).write_text(json.dumps(report), encoding="utf-8")
