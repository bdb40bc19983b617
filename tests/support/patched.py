"""A farm with one recipe, `sample`, whose source and patches a test chooses; and its patch tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from support.archives import Entry, digest, make_tar, symlink
from support.farm import make_farm
from support.index import Index
from support.repositories import Repository
from wheelfarm.recipes.settings import load
from wheelfarm.run import patch_rebase, patch_save, patch_start
from wheelfarm.run.patch_tree import PatchTree, find_recipe
from wheelfarm.run.services import make_fetcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.run.patch_rebase import Rebased
    from wheelfarm.run.patch_series import SavePlan

HEADER: Final = "{}\n\nWhy: a test needs it\nUpstream: none, a test\n"
Snapshot = dict[str, tuple[str, bytes]]
"""Path → kind and content."""


@dataclass(frozen=True)
class File:
    """A file of a source tree; the content is the target of a link."""

    content: bytes = b""
    kind: str = "file"
    """file, program or link."""


def snapshot(tree: Path) -> Snapshot:
    """All files of a tree but those of git."""
    found: Snapshot = {}
    for path in sorted(tree.rglob("*")):
        name = path.relative_to(tree).as_posix()
        if name.split("/")[0] == ".git":
            continue
        if path.is_symlink():
            found[name] = ("link", os.fsencode(path.readlink()))
        elif path.is_file():
            found[name] = ("program" if path.stat().st_mode & 0o100 else "file", path.read_bytes())
    return found


def write_files(tree: Path, files: Mapping[str, File | None]) -> None:
    """Write files into a tree; None removes."""
    for name, file in files.items():
        path = tree / name
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
        if file is None:
            continue
        for parent in reversed(path.relative_to(tree).parents[:-1]):
            if (tree / parent).is_file() or (tree / parent).is_symlink():
                (tree / parent).unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.kind == "link":
            path.symlink_to(os.fsdecode(file.content))
        else:
            path.write_bytes(file.content)
            path.chmod(0o755 if file.kind == "program" else 0o644)


def make_source(path: Path, files: Mapping[str, File], *, top: str = "sample-1.0") -> Path:
    """An archive of files."""
    entries: list[Entry] = []
    for name, file in files.items():
        if file.kind == "link":
            entries.append(symlink(f"{top}/{name}", os.fsdecode(file.content)))
        else:
            mode = 0o755 if file.kind == "program" else 0o644
            entries.append(Entry(f"{top}/{name}", file.content, mode=mode))
    path.parent.mkdir(parents=True, exist_ok=True)
    return make_tar(path, entries)


SOURCE: Final[Mapping[str, File]] = {
    "pyproject.toml": File(b"[build-system]\nrequires = []\n"),
    "a.txt": File("".join(f"line {number}\n" for number in range(1, 41)).encode()),
    "win.txt": File(b"one\r\ntwo\r\nthree\r\n"),
    "sub/b.txt": File(b"b\n"),
}


def edited(number: int, text: str, content: bytes = SOURCE["a.txt"].content) -> bytes:
    """a.txt with another line."""
    lines = content.decode().split("\n")
    lines[number - 1] = text
    return "\n".join(lines).encode()


@dataclass
class PatchedFarm:
    """The farm and what an author does in it."""

    root: Path
    index: Index

    @classmethod
    def create(
        cls,
        root: Path,
        source: Mapping[str, File] = SOURCE,
        *,
        recipe: Table | None = None,
        patches: Mapping[str, str] | None = None,
        settings: Table | None = None,
        archive: bool = False,
    ) -> PatchedFarm:
        """A farm whose recipe has a source distribution, or an archive at a url."""
        (root / "index/files").mkdir(parents=True)
        index = Index(root / "index")
        sdist = make_source(root / "sources/sample-1.0.tar.gz", source)
        table: dict[str, Any] = {"kind": "sdist", "sha256": digest(sdist.read_bytes())}
        if archive:
            table |= {"kind": "archive", "url": sdist.as_uri()}
        else:
            index.add(sdist)
        said = {"source": table, **(recipe or {})}
        own = {"index-url": index.url, **(settings or {})}
        listed = {f"sample/{name}": text for name, text in (patches or {}).items()}
        make_farm(root / "farm", {"sample": said}, settings=own, patches=listed)
        return cls(root / "farm", index)

    def copy(self, root: Path) -> PatchedFarm:
        """The same farm in another directory, with an index and a patch tree of its own."""
        old = self.root.parent
        shutil.copytree(old, root, symlinks=True)
        for path in (root / "farm/pyproject.toml", root / "farm/recipes/sample/recipe.toml"):
            path.write_bytes(path.read_bytes().replace(old.as_uri().encode(), root.as_uri().encode()))
        return PatchedFarm(root / "farm", Index(root / "index"))

    def release(self, version: str, source: Mapping[str, File]) -> None:
        """Add another version to the index."""
        path = self.root.parent / f"sources/sample-{version}.tar.gz"
        self.index.add(make_source(path, source, top=f"sample-{version}"))

    def patches(self, **settings: Any) -> PatchTree:
        """The patch tree, with the recipe as it is now."""
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.root / "home")}
        loaded = load(self.root, environ=environ)
        loaded = loaded.replace(**settings) if settings else loaded
        return PatchTree(loaded, find_recipe(loaded, "sample"), make_fetcher(loaded))

    @property
    def tree(self) -> Path:
        return self.patches().path

    @property
    def git(self) -> Repository:
        return Repository(self.tree)

    @property
    def recipe(self) -> Path:
        return self.root / "recipes/sample/recipe.toml"

    @property
    def files(self) -> dict[str, bytes]:
        """The patch files."""
        directory = self.root / "patches/sample"
        return (
            {path.name: path.read_bytes() for path in sorted(directory.glob("*"))}
            if directory.is_dir()
            else {}
        )

    @property
    def state(self) -> dict[str, bytes]:
        """The patch files and the recipe."""
        return {**self.files, "recipe.toml": self.recipe.read_bytes()}

    def start(self, **options: Any) -> None:
        patch_start.start(self.patches(), **options)

    def commit(self, title: str, files: Mapping[str, File | None], header: str = HEADER) -> None:
        """Edit the tree and commit, as an author does."""
        write_files(self.tree, files)
        self.git.git("add", "--all", "--force")
        self.git.git("commit", "--quiet", f"--message={header.format(title)}")

    def save(self, **options: Any) -> SavePlan:
        tree = self.patches()
        with tree.locked():
            return patch_save.save(tree, **options)

    def rebase(self, onto: str, **options: Any) -> Rebased:
        return patch_rebase.rebase(self.patches(), onto, **options)

    def resume(self, action: str) -> Rebased:
        return patch_rebase.resume(self.patches(), action)


def git_apply(tree: Path, patches: Iterable[Path]) -> None:
    """Apply patches with git alone."""
    for patch in patches:
        command = ["git", "apply", "--whitespace=nowarn", str(patch)]
        subprocess.run(command, cwd=tree, env={"PATH": os.defpath, "GIT_DIR": os.devnull}, check=True)
