"""What an author has edited in the source of a build directory, by `inv shell`.

A repository beside the source holds the source as it was when the first shell began. A build that would
replace the directory compares the two first, so that no edit is lost.
"""

from __future__ import annotations

import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.build.directory import SOURCE
from wheelfarm.errors import BuildDirectoryError, counted
from wheelfarm.run.patch_tree import listed
from wheelfarm.sources.work_tree import GitTree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.run.patch_tree import PatchTree

REPOSITORY: Final = "shell.git"
_PRODUCTS: Final = (
    *("build/*", "*/build/*", "dist/*", "*.egg-info/*", "*__pycache__/*", ".mesonpy-*", "MANIFEST"),
    *("*.so", "*.o", "*.obj", "*.a", "*.lib", "*.dll", "*.dylib", "*.pyd", "*.pyc"),
)
"""What backends and compilers write into a source tree."""


def source_of(root: Path, environ: Mapping[str, str]) -> GitTree:
    """The source of a build directory, and the repository beside it."""
    return GitTree(root / SOURCE, environ, root / REPOSITORY)


def remember_source(root: Path, environ: Mapping[str, str]) -> None:
    """Commit the source of a build directory as it is, unless an earlier shell has."""
    git = source_of(root, environ)
    if git.git_dir.exists():
        return
    draft = GitTree(git.path, environ, root / f".{REPOSITORY}-draft")
    draft.create("")
    draft.git("update-ref", "HEAD", draft.commit_all("the source as the first shell found it"))
    # A kill before this leaves no repository that says something wrong.
    draft.git_dir.rename(git.git_dir)


def edited_files(root: Path, environ: Mapping[str, str]) -> list[str]:
    """The files of a build directory's source that were edited since the first shell, without products."""
    git = source_of(root, environ)
    if not git.git_dir.exists() or not git.path.is_dir():
        return []
    return [file for file in git.changed_files() if not any(fnmatchcase(file, glob) for glob in _PRODUCTS)]


def refuse_edited(root: Path, *, build: str, environ: Mapping[str, str]) -> None:
    """Refuse to replace a build directory with edits that no patch has.

    Raises:
        BuildDirectoryError: when there are some.
    """
    if files := edited_files(root, environ):
        raise BuildDirectoryError(
            f"the build directory of {build} has {counted(len(files), 'edited file')}",
            where=str(root / SOURCE),
            why=listed(files),
            hint=f"inv patch.save {build} --from-build takes them; inv shell {build} --discard removes them",
        )


def take_edits(tree: PatchTree, root: Path) -> list[str]:
    """Make the edits of a build directory in the patch tree too, uncommitted; give the files.

    Raises:
        PatchError: when nothing is edited, the patch tree has changes of its own, or they do not apply to it.
    """
    environ = tree.settings.environ
    files = edited_files(root, environ)
    if not files:
        what = f"nothing is edited in the build directory of {tree.recipe.name}"
        hint = f"inv shell {tree.recipe.name} opens a shell there"
        raise source_of(root, environ).error(what, hint=hint)
    tree.refuse_unfinished()
    tree.refuse_uncommitted()
    git = source_of(root, environ)
    git.git("read-tree", "HEAD")
    git.git("add", "--all", "--", *files, variables={"GIT_LITERAL_PATHSPECS": "1"})
    written = git.line("write-tree")
    commit = git.line("commit-tree", written, "-p", "HEAD", "-m", "taken into the patch tree")
    with tempfile.TemporaryDirectory(prefix="edits-", dir=tree.git.git_dir) as scratch:
        diff = Path(scratch, "edits.diff")
        diff.write_bytes(git.diff("HEAD", commit))
        words = ("apply", "--whitespace=nowarn", "--", str(diff))
        applied = tree.git.git(*words, check=False)
    if applied.returncode:
        git.git("read-tree", "HEAD")
        what = "the edits of the build directory do not apply to the patch tree"
        hint = "the build had another series: save or discard the commits of the patch tree first"
        raise tree.git.error(what, why=applied.output.strip(), hint=hint)
    git.git("update-ref", "HEAD", commit)
    return files
