"""A repository with a farm of tiny packages, its rendered workflow, and the farm's own code."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from support.tiny import CHAIN, LEAF, tiny_farm
from support.workflows import render
from wheelfarm.recipes.settings import Settings, load

if TYPE_CHECKING:
    from support.index import Index
    from wheelfarm.model import Python

ROOT: Final = Path(__file__).parents[3]
_CONFIG: Final = ("user.name=farm", "user.email=farm@example.org", "init.defaultBranch=main")
_GIT: Final = ("git", *(word for value in _CONFIG for word in ("-c", value)))


def commit(root: Path, message: str) -> None:
    """Commit all that there is."""
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", message]):
        git(root, *words)


def git(root: Path, *words: str) -> None:
    """Run git in a repository."""
    subprocess.run([*_GIT, *words], cwd=root, check=True, capture_output=True)


def make_repository(root: Path, index: Index, python: Python, published: Path) -> Settings:
    """A farm of three packages for one Python on Linux, as somebody would have it in a repository.

    Args:
        root: where.
        index: with the sources and build requirements.
        python: the only one that it builds for.
        published: the directory of the static index that it publishes to.
    """
    target = f"{python.tag}-manylinux_x86_64"
    settings_table: dict[str, Any] = {
        # One path on all machines, as the default is: it is part of the build keys.
        "stages": str(root.parent / "stages"),
        "pythons": [str(python)],
        "variants": {"netlib": None},
        "index": {"public": {"kind": "static", "url": str(published), "targets": [target]}},
        "ci": {"platforms": ["linux-x86_64"], "publish": {"index": "public", "secret": "PASSWORD"}},
    }
    tiny_farm(root, index, {**CHAIN, **LEAF}, settings=settings_table)
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "requirements").mkdir()
    locks = (f"requirements/{name}.txt" for name in ("nox", "farm", "publish"))
    for name in ("noxfile.py", "tasks.py", *locks):
        shutil.copyfile(ROOT / name, root / name)
    (root / ".gitignore").write_text("/wheelhouse/\n/.wheelfarm/\n/.nox/\n/ci-artifacts/\n__pycache__/\n")
    settings = load(root, environ={"PATH": "/usr/bin:/bin", "HOME": str(root / "home")})
    workflows = root / ".github/workflows"
    workflows.mkdir(parents=True)
    shutil.copyfile(ROOT / ".github/workflows/build-wheel.yml", workflows / "build-wheel.yml")
    (workflows / "farm.yml").write_text(render(settings), encoding="utf-8")
    commit(root, "a farm")
    return settings
