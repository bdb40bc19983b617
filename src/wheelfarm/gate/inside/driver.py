"""Runs in a clean environment: imports, the smoke script and the mapped libraries; or a test suite.

It is started without site, and reads the address and the key for its reports before code of a wheel runs. It
has no descriptor for them while tested code runs: each report is a connection of its own, and answers a nonce
of the process that receives it. Uses the standard library only.

Usage: driver.py DIRECTORY <CHANNEL
"""

from __future__ import annotations

import contextlib
import faulthandler
import hmac
import importlib
import json
import os
import re
import runpy
import site
import sys
import threading
import traceback
import warnings
from importlib.machinery import ExtensionFileLoader
from multiprocessing.connection import Client
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType

# They load libraries of the interpreter, which say nothing about the wheel.
STANDARD = (
    *("ssl", "ctypes", "lzma", "bz2", "sqlite3", "hashlib"),
    *("zlib", "readline", "decimal", "curses", "uuid"),
)
GIL = r"The global interpreter lock \(GIL\) has been enabled to load module '([^']*)'"
MESSAGE = 4000
"""Characters of an exception's message."""


def sender() -> Callable[..., None]:
    """Read the address and the key, and make the function that sends reports."""
    channel = json.loads(sys.stdin.buffer.read())
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    own = os.getpid()

    def send(
        *,
        key: bytes = bytes.fromhex(channel["key"]),
        connect: Callable[..., Any] = Client,
        dumps: Callable[..., str] = json.dumps,
        digest: Callable[..., bytes] = hmac.digest,
        **report: object,
    ) -> None:
        if os.getpid() != own:
            os._exit(0)  # tested code forked, and its copy of this process must not answer
        body = dumps(report).encode()
        with connect(channel["address"]) as connection:
            nonce = connection.recv_bytes()
            connection.send_bytes(digest(key, nonce + body, "sha256") + body)
            connection.recv_bytes()

    return send


def mapped() -> set[str]:
    """Shared libraries in this process; empty without /proc."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return set()
    lines = maps.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    paths = {line.split(maxsplit=5)[5] for line in lines if line.count("/")}
    return {path for path in paths if ".so" in Path(path).name}


def note_standard(libraries: set[str]) -> None:
    """Add to the set what modules of the standard library load, as tkinter does; a wheel may import them.

    What is mapped already when such a module is loaded is none of its own.
    """
    directory = Path(os.__file__).parent / "lib-dynload"
    create = ExtensionFileLoader.create_module

    def note(self: ExtensionFileLoader, spec: ModuleSpec) -> ModuleType:
        if Path(self.path).parent != directory:
            return create(self, spec)
        before = mapped()
        module = create(self, spec)
        libraries.update(mapped() - before)
        return module

    ExtensionFileLoader.create_module = note  # type: ignore[method-assign]


def cpu_features() -> dict[str, list[str]] | None:
    """What numpy reports; None without numpy."""
    module = sys.modules.get("numpy._core._multiarray_umath")
    found = {kind: getattr(module, f"__cpu_{kind}__", None) for kind in ("baseline", "dispatch")}
    return {kind: list(each or ()) for kind, each in found.items()} if any(found.values()) else None


def has_no_gil() -> bool:
    """Whether threads run at once: modules that do not support it change that (PEP 703)."""
    return not getattr(sys, "_is_gil_enabled", lambda: True)()


def note_gil(modules: list[str]) -> None:
    """Add a module that enables the GIL to the list, as the interpreter warns; all warnings are shown."""
    show = warnings.showwarning

    def note(message: Warning | str, *args: Any, **options: Any) -> None:  # noqa: ANN401
        if found := re.match(GIL, str(message)):
            modules.append(found[1])
        show(message, *args, **options)

    warnings.filterwarnings("always", message=GIL, category=RuntimeWarning)
    warnings.showwarning = note


def test_wheel(
    manifest: dict[str, Any], directory: Path, begin: Callable[[str], None], result: dict[str, Any]
) -> None:
    """Import and run what the manifest lists."""
    for module in manifest["imports"]:
        begin(f"import {module}")
        importlib.import_module(module)
        result["imported"].append(module)
    if manifest["smoke"]:
        begin(manifest["smoke"])
        try:
            runpy.run_path(str(directory / manifest["smoke"]), run_name="__main__")
        except SystemExit as end:
            if end.code not in (None, 0):
                raise
        result["smoke"] = "passed"
    if manifest["cpu"]:
        begin("its CPU features")
        result["cpu"] = cpu_features()


def with_real_paths(*paths: str) -> tuple[str, ...]:
    """The paths, and those that the kernel has for them: an image's /opt/python/cp311-cp311 may be a link."""
    return (*paths, *map(os.path.realpath, paths))


def main(directory: Path) -> None:
    """Test what manifest.json lists."""
    send, errors = sender(), sys.stderr
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    faulthandler.enable()
    for module in STANDARD:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    before, now = mapped(), ""
    note_standard(before)
    result: dict[str, Any] = {"imported": [], "smoke": None, "cpu": None, "suite": None, "error": None}
    result["gil"], without_gil = [], has_no_gil()
    if without_gil:
        note_gil(result["gil"])

    def begin(step: str) -> None:
        nonlocal now
        now = step
        send(step=step)

    try:
        begin(".pth files and sitecustomize")
        # What the interpreter does at its start otherwise.
        sys.path[:0] = manifest.get("path", [])
        site.main()
        if "suite" in manifest:
            begin("pytest")
            sys.path.insert(0, str(Path(__file__).parent))
            result["suite"] = importlib.import_module("wheelfarm_suite").run_suite(manifest, directory)
        else:
            test_wheel(manifest, directory, begin, result)
    except BaseException as error:  # noqa: BLE001 - a smoke script may end in any way, SystemExit among them
        with contextlib.suppress(Exception):
            traceback.print_exception(error, file=errors)
        message = "".join(traceback.format_exception_only(type(error), error)).strip()
        result["error"] = f"{now}: {message[:MESSAGE]}"
    if without_gil and not has_no_gil() and not result["gil"]:
        # The module's own filter hides the warning.
        result["gil"].append("")
    # It knows the environment only if it is imported after site.
    sysconfig = importlib.import_module("sysconfig")
    # Not the base prefix: for a system's own Python that is /usr, where every library of the system is.
    own = with_real_paths(sys.prefix, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    outside = (path for path in mapped() - before if not path.startswith(own))
    result["outside"] = sorted(outside)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    threads = [each for each in threading.enumerate() if each is not threading.main_thread()]
    send(result=result, threads=[each.name for each in threads if not each.daemon])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
