"""A source tree as a git repository that stores each file byte by byte, whatever its attributes say."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import PatchError, SourceError
from wheelfarm.sources.git_environment import git_environment
from wheelfarm.sources.patches import applied_elsewhere
from wheelfarm.sources.unpacking import files_below
from wheelfarm.system.process import Command, Finished, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wheelfarm.errors import FarmError

BRANCH: Final = "patches"
_ATTRIBUTES: Final = "* -text !eol -ident !filter !working-tree-encoding !diff !merge !whitespace\n"
"""Those of the repository come before those of the source (gitattributes documentation)."""
_TEMPLATE: Final = "commit-template"
_CONFIG: Final = {
    "core.autocrlf": "false",
    "core.safecrlf": "false",
    # Lines that begin with # stay: a header may hold the number of an issue.
    "commit.cleanup": "scissors",
    "commit.template": f".git/{_TEMPLATE}",
}
_PERSON: Final = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (
        ("NAME", "wheelfarm"),
        ("EMAIL", "wheelfarm@localhost"),
        ("DATE", "946684800 +0000"),
    )
}
"""A series has the same commits each time."""
_DIFF: Final = (
    *("--binary", "--full-index", "--find-renames", "--unified=3", "--diff-algorithm=myers", "--no-color"),
    *("--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/", "--inter-hunk-context=0"),
)
"""The same bytes, whatever the user's settings and the objects of the repository are."""
_UNFINISHED: Final = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "MERGE_HEAD": "merge",
}
"""Files of the git directory that show an operation that has stopped (gitrepository-layout)."""


def refuse_repository(tree: Path) -> None:
    """Refuse a source that has a repository in it, which git would leave out of a commit.

    Raises:
        SourceError: for such a source.
    """
    inside = sorted(name for name, _ in files_below(tree) if ".git" in Path(name).parts)
    if inside:
        hint = f'leave it out in the recipe: [source] remove = ["{inside[0]}"]'
        raise SourceError("the source has a git repository in it", where=inside[0], hint=hint)


@dataclass(frozen=True)
class GitTree:
    """A work tree, and its repository."""

    path: Path
    environ: Mapping[str, str]
    repository: Path | None = None
    """Where the repository is; in the tree by default."""

    @property
    def git_dir(self) -> Path:
        return self.repository or self.path / ".git"

    def create(self, template: str) -> None:
        """Make a repository of a source tree; `template` is what an editor shows for a new commit.

        Raises:
            SourceError: when the source has a repository in it.
            ProcessError: when git is missing.
        """
        refuse_repository(self.path)
        self.git("init", "--quiet", "--template=", f"--initial-branch={BRANCH}")
        (self.git_dir / "info").mkdir(exist_ok=True)
        (self.git_dir / "info/attributes").write_text(_ATTRIBUTES, encoding="utf-8")
        (self.git_dir / _TEMPLATE).write_text(template, encoding="utf-8")
        for key, value in _CONFIG.items():
            self.git("config", key, value)

    def git(
        self, *arguments: str, check: bool = True, variables: Mapping[str, str] | None = None
    ) -> Finished:
        """Run git in the tree, without the settings of the user.

        Raises:
            ProcessError: when it fails, unless `check` is False.
        """
        env = git_environment(self.environ) | {"GIT_DIR": str(self.git_dir), "GIT_EDITOR": "true"}
        env |= {"GIT_WORK_TREE": str(self.path), **_PERSON, **(variables or {})}
        return run(Command(argv=("git", *arguments), env=env, cwd=self.path), check=check)

    def line(self, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
        """The output of git, without white space around it."""
        return self.git(*arguments, variables=variables).output.strip()

    def commit_all(self, message: str, *, parent: str | None = None, tree: Path | None = None) -> str:
        """Commit every file, also those that the source ignores; give the commit, which no branch has yet.

        Args:
            message: of the commit, as it stands.
            parent: the commit before it; None for a commit without history.
            tree: another directory whose files are committed; this tree by default.
        """
        with tempfile.TemporaryDirectory(prefix="index-", dir=self.git_dir) as scratch:
            # Another directory has an index of its own.
            other = {} if tree is None else {"GIT_WORK_TREE": str(tree), "GIT_INDEX_FILE": f"{scratch}/index"}
            self.git("-C", str(tree or self.path), "add", "--all", "--force", ".", variables=other)
            written = self.line("write-tree", variables=other)
            Path(scratch, "message").write_bytes(message.encode())
            parents = () if parent is None else ("-p", parent)
            return self.line("commit-tree", written, *parents, "-F", f"{scratch}/message")

    def root(self) -> str:
        """The first commit of the branch: the source.

        Raises:
            PatchError: when there are several, as after a merge.
        """
        roots = self.line("rev-list", "--max-parents=0", "HEAD").split()
        if len(roots) != 1:
            raise PatchError("the patch tree begins with several commits", where=str(self.path))
        return roots[0]

    def commits(self, root: str) -> tuple[str, ...]:
        """The commits after the first one, in their order.

        Raises:
            PatchError: when one is a merge.
        """
        listed = self.line("rev-list", "--reverse", "--parents", f"{root}..HEAD").splitlines()
        for commit, *parents in map(str.split, listed):
            if len(parents) != 1:
                raise PatchError(
                    f"commit {commit[:10]} is a merge, and no patch can be made of it",
                    where=str(self.path),
                    hint=f"git -C {self.path} rebase {root[:10]} makes a line of the commits",
                )
        return tuple(line.split()[0] for line in listed)

    def message(self, commit: str) -> str:
        """The message of a commit."""
        return self._written("log", "--max-count=1", "--format=format:%B", commit).decode("utf-8", "replace")

    def reword(self, messages: Sequence[tuple[str, str]]) -> None:
        """Give the commits of the branch these messages; their trees, authors and order stay.

        Args:
            messages: the commits after the first one in their order, each with its message.
        """
        head = parent = self.line("rev-parse", "HEAD")
        changed = False
        for commit, message in messages:
            if not changed and self.message(commit).rstrip("\n") == message.rstrip("\n"):
                parent = commit
                continue
            if not changed:
                parent, changed = self.line("rev-parse", f"{commit}^"), True
            parent = self._commit_again(commit, parent, message)
        if changed:
            self.git("update-ref", "-m", "patch.save: name the files", "HEAD", parent, head)

    def _commit_again(self, commit: str, parent: str, message: str) -> str:
        lines = self.git("log", "--max-count=1", "--date=raw", "--format=%an%n%ae%n%ad", commit).output
        name, email, date = lines.split("\n")[:3]
        author = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email, "GIT_AUTHOR_DATE": date}
        with tempfile.TemporaryDirectory(prefix="message-", dir=self.git_dir) as scratch:
            path = Path(scratch, "message")
            path.write_bytes(message.encode())
            return self.line(
                "commit-tree", f"{commit}^{{tree}}", "-p", parent, "-F", str(path), variables=author
            )

    def diff(self, before: str, after: str) -> bytes:
        """What changes between two commits, as `git apply` takes it."""
        return self._written("diff", *_DIFF, before, after)

    def _written(self, command: str, *arguments: str) -> bytes:
        """What git writes to a file: unlike the output of a program it stays as it is."""
        with tempfile.TemporaryDirectory(prefix="output-", dir=self.git_dir) as scratch:
            path = Path(scratch, "written")
            self.git(command, f"--output={path}", *arguments)
            return path.read_bytes() if path.exists() else b""

    def makes(self, patch: Path, parent: str, commit: str) -> bool:
        """Whether a patch applies exactly to a commit, and makes the tree of another one of it."""
        with tempfile.TemporaryDirectory(prefix="index-", dir=self.git_dir) as scratch:
            index = {"GIT_INDEX_FILE": f"{scratch}/index"}
            self.git("read-tree", parent, variables=index)
            words = ("apply", "--cached", "--verbose", "--whitespace=nowarn", "--", str(patch.absolute()))
            applied = self.git(*words, check=False, variables=index)
            if applied.returncode or applied_elsewhere(applied.output):
                return False
            return self.line("write-tree", variables=index) == self.line("rev-parse", f"{commit}^{{tree}}")

    def changed_files(self) -> list[str]:
        """The files that differ from the last commit, by name; without those that the source ignores."""
        words = ("--porcelain", "-z", "--no-renames", "--untracked-files=all")
        return [entry[3:] for entry in self.git("status", *words).output.split("\0") if entry.strip()]

    def changes(self, *, ignored: bool = False) -> list[str]:
        """The files that differ from the last commit, as `git status` shows them."""
        words = ("--ignored=traditional",) if ignored else ()
        listed = self.git("status", "--porcelain", "--untracked-files=all", *words).output
        return listed.splitlines()

    def unfinished(self) -> str | None:
        """The operation of git that has stopped in the tree, such as a rebase with a conflict."""
        return next((name for file, name in _UNFINISHED.items() if (self.git_dir / file).exists()), None)

    def other_work(self, known: set[str]) -> list[str]:
        """Branches, tags and stashes with commits that are neither on the branch nor known."""
        found = []
        for line in self.git("for-each-ref", "--format=%(objectname) %(refname)").output.splitlines():
            commit, _, name = line.partition(" ")
            contained = self.git("merge-base", "--is-ancestor", commit, "HEAD", check=False)
            if commit not in known and contained.returncode:
                found.append(name)
        return found

    def error(self, what: str, *, why: str | None = None, hint: str | None = None) -> FarmError:
        """An error about the tree."""
        return PatchError(what, where=os.fspath(self.path), why=why, hint=hint)
