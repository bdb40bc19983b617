"""GitHub's side of a run: the repository, artifacts, actions, and the list of runs."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from support.actions.expressions import UnknownConstructError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_EXTGLOB: Final = re.compile(r"@\(([^()]*)\)")
TOKEN: Final = "the-token-of-this-run"
REVIEWED: Final = {"protection_rules": [{"type": "required_reviewers", "reviewers": [{"type": "User"}]}]}


def matches(name: str, pattern: str) -> bool:
    """Whether a glob matches; of the extended ones, `@(a|b)` is known."""
    match = _EXTGLOB.search(pattern)
    if match is None:
        return fnmatch.fnmatchcase(name, pattern)
    choices = match[1].split("|")
    return any(matches(name, pattern[: match.start()] + each + pattern[match.end() :]) for each in choices)


@dataclass
class Machine:
    """The machine of one matrix entry."""

    workspace: Path
    run: str
    permissions: Mapping[str, str]
    ref: str = "refs/heads/main"
    """What the run is for."""
    paths: list[str] = field(default_factory=list)
    """Directories that come first on PATH."""


@dataclass
class Hosting:
    """The repository and its runs, in a directory."""

    root: Path
    repository: Path
    runs: list[str] = field(default_factory=list)
    """Ids of full runs, the last one first; those whose builds all succeeded have records."""
    attested: dict[str, bytes] = field(default_factory=dict)
    environments: dict[str, dict[str, Any]] = field(default_factory=lambda: {"publish": REVIEWED})
    requests: list[str] = field(default_factory=list)
    """Paths and queries that the API received."""

    def act(self, action: str, words: Mapping[str, Any], machine: Machine) -> None:
        """Carry out a step that uses an action."""
        known = {
            "actions/checkout": self._checkout,
            "actions/setup-python": self._python,
            "actions/upload-artifact": self._upload,
            "actions/download-artifact": self._download,
            "actions/attest-build-provenance": self._attest,
        }
        if action not in known:
            raise UnknownConstructError(f"the action {action}")
        known[action](dict(words), machine)

    def _checkout(self, words: dict[str, Any], machine: Machine) -> None:
        words.pop("fetch-depth", None)  # a clone has the whole history
        if words != {"persist-credentials": False} or machine.permissions.get("contents") != "read":
            raise UnknownConstructError(f"a checkout with {words} and {machine.permissions}")
        subprocess.run(
            ["git", "clone", "--quiet", str(self.repository), str(machine.workspace)],
            check=True,
            capture_output=True,
        )
        if machine.ref.startswith("refs/tags/"):
            detach = ["git", "checkout", "--quiet", "--detach", machine.ref]
            subprocess.run(detach, cwd=machine.workspace, check=True, capture_output=True)

    def _python(self, words: dict[str, Any], machine: Machine) -> None:
        own = f"{sys.version_info.major}.{sys.version_info.minor}"
        if words != {"python-version": own}:
            raise UnknownConstructError(f"a Python with {words}: this machine's is {own}")
        directory = machine.workspace.parent / "python"
        base = getattr(sys, "_base_executable", sys.executable)
        virtualenv = [sys.executable, "-m", "virtualenv", "--quiet", "--no-periodic-update"]
        subprocess.run([*virtualenv, "-p", base, str(directory)], check=True, capture_output=True)
        machine.paths.insert(0, str(directory / "bin"))

    def _upload(self, words: dict[str, Any], machine: Machine) -> None:
        name, path = words.pop("name"), machine.workspace / words.pop("path")
        missing = words.pop("if-no-files-found", "warn")
        words.pop("compression-level", None)
        target = self.root / "artifacts" / machine.run / name
        if words.pop("overwrite", False):
            shutil.rmtree(target, ignore_errors=True)
        if words or any(mark in name for mark in '":<>|*?\r\n\\/') or target.exists():
            raise UnknownConstructError(f"an artifact {name!r} with {words}, which exists or cannot")
        # Hidden files are left out, as the action does by default.
        files = [
            file
            for file in sorted(path.rglob("*"))
            if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
        ]
        if not files and missing == "error":
            raise FileNotFoundError(f"no files were found in {path}")
        for file in files:
            copy = target / file.relative_to(path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)

    def _download(self, words: dict[str, Any], machine: Machine) -> None:
        pattern, path = words.pop("pattern"), machine.workspace / words.pop("path")
        run, token = words.pop("run-id", None), words.pop("github-token", None)
        if words != {"digest-mismatch": "error"}:
            raise UnknownConstructError(f"a download with {words}")
        if run is not None and (token != TOKEN or machine.permissions.get("actions") != "read"):
            raise PermissionError("artifacts of another run need a token that may read them")
        store = self.root / "artifacts" / str(run or machine.run)
        found = [
            each
            for each in (sorted(store.iterdir()) if store.is_dir() else [])
            if matches(each.name, pattern)
        ]
        for each in found:
            # A single artifact goes into the directory itself.
            target = path if len(found) == 1 else path / each.name
            shutil.copytree(each, target, dirs_exist_ok=True)

    def _attest(self, words: dict[str, Any], machine: Machine) -> None:
        pattern = words.pop("subject-path")
        if words or not {"id-token", "attestations"} <= machine.permissions.keys():
            raise UnknownConstructError(f"an attestation with {words} and {machine.permissions}")
        found = sorted(machine.workspace.glob(pattern))
        if not found:
            raise FileNotFoundError(f"nothing to attest: {pattern}")
        self.attested |= {path.name: path.read_bytes() for path in found}

    def answer(self, url: str) -> dict[str, Any] | None:
        """An environment, the list of runs, or of a run's artifacts with a name; None for what is missing."""
        path, _, query = url.partition("?")
        if "/environments/" in path:
            return self.environments.get(path.rsplit("/", 1)[-1])
        if not path.endswith("/artifacts"):
            return {"workflow_runs": [{"id": int(run)} for run in self.runs]}
        name = dict(parse_qsl(query))["name"]
        exists = (self.root / "artifacts" / path.split("/")[-2] / name).is_dir()
        return {"artifacts": [{"id": 1, "name": name, "expired": False}] if exists else []}

    @contextmanager
    def api(self) -> Iterator[str]:
        """The lists of runs and artifacts, on loopback; gives its address."""
        hosting = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hosting.requests.append(self.path)
                allowed = self.headers["Authorization"] == f"Bearer {TOKEN}"
                answer = hosting.answer(self.path) if allowed else {}
                self.send_response(403 if not allowed else 404 if answer is None else 200)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()


def combinations(matrix: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of a matrix: the product of its axes, without what is excluded."""
    axes = {name: values for name, values in matrix.items() if name != "exclude"}
    if "include" in axes or not all(isinstance(values, list) for values in axes.values()):
        raise UnknownConstructError(f"a matrix of {matrix}")
    exclude = matrix.get("exclude") or []
    entries = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    return [entry for entry in entries if not any(each.items() <= entry.items() for each in exclude)]
