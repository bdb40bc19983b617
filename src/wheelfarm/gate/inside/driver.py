"""Runs in a clean environment: imports, the smoke script, and the list of mapped libraries.

The last line of its output has the result as JSON. Uses the standard library only.

Usage: driver.py DIRECTORY
"""

from __future__ import annotations

import contextlib
import importlib
import json
import runpy
import sys
import sysconfig
import traceback
from pathlib import Path

MARK = "wheelfarm-gate: "
# They load libraries of the interpreter, which say nothing about the wheel.
STANDARD = (
    *("ssl", "ctypes", "lzma", "bz2", "sqlite3", "hashlib"),
    *("zlib", "readline", "decimal", "curses", "uuid"),
)


def mapped() -> set[str]:
    """Shared libraries in this process; empty without /proc."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return set()
    paths = {line.split(maxsplit=5)[5] for line in maps.read_text().splitlines() if line.count("/")}
    return {path for path in paths if ".so" in Path(path).name}


def cpu_features() -> dict[str, list[str]] | None:
    """What numpy reports; None without numpy."""
    module = sys.modules.get("numpy._core._multiarray_umath")
    baseline, dispatch = (getattr(module, f"__cpu_{kind}__", None) for kind in ("baseline", "dispatch"))
    if baseline is None or dispatch is None:
        return None
    return {"cpu-baseline": list(baseline), "cpu-dispatch": list(dispatch)}


def main(directory: Path) -> None:
    """Test what manifest.json lists."""
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    for module in STANDARD:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    before = mapped()
    result: dict[str, object] = {"imported": [], "smoke": None, "error": None}
    step = ""
    try:
        for module in manifest["imports"]:
            step = f"import {module}"
            importlib.import_module(module)
            result["imported"] = [*result["imported"], module]  # type: ignore[misc]
        if manifest["smoke"]:
            step = manifest["smoke"]
            try:
                runpy.run_path(str(directory / manifest["smoke"]), run_name="__main__")
            except SystemExit as end:
                if end.code not in (None, 0):
                    raise
            result["smoke"] = "passed"
        if manifest["cpu"]:
            step = "its CPU features"
            result["cpu"] = cpu_features()
    except BaseException:  # noqa: BLE001 - a smoke script may end in any way, SystemExit among them
        traceback.print_exc()
        result["error"] = f"{step}: {traceback.format_exc().strip().splitlines()[-1]}"
    # Not the base prefix: for a system's own Python that is /usr, where every library of the system is.
    own = (sys.prefix, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    outside = (path for path in mapped() - before if not path.startswith(own))
    result["outside"] = sorted(outside)
    sys.stdout.flush()
    print(MARK + json.dumps(result), flush=True)  # noqa: T201 - the gate reads it


if __name__ == "__main__":
    main(Path(sys.argv[1]))
