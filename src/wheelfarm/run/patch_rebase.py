"""Moves a patch series to the source of another version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import PatchError, UsageError
from wheelfarm.run.patch_series import plan_save
from wheelfarm.run.patch_start import start
from wheelfarm.run.patch_tree import TreeSource, listed, pins_of, rebase_hint, source_message, source_tag
from wheelfarm.sources.patch_header import read_message, title_of
from wheelfarm.sources.work_tree import GitTree

if TYPE_CHECKING:
    from wheelfarm.errors import FarmError
    from wheelfarm.run.patch_tree import PatchTree
    from wheelfarm.system.process import Finished


_REBASE: Final = ("rebase", "--quiet", "--empty=drop", "--onto")


@dataclass(frozen=True, kw_only=True)
class Rebased:
    """The series after a rebase."""

    version: str
    patches: tuple[str, ...]
    """The titles of its patches."""
    dropped: tuple[str, ...]
    """The files of patches that upstream has, or that were left out."""


def rebase(
    tree: PatchTree,
    onto: str,
    *,
    base: str | None = None,
    commit: str | None = None,
    dry_run: bool = False,
) -> Rebased:
    """Move the series to another version, with git; the recipe changes with the next save.

    Args:
        tree: the tree, which is made when there is none.
        onto: the version.
        base: the version that the patches are for, where it is not the recipe's.
        commit: of a git repository; by default that of the version's tag.
        dry_run: whether to move a copy, which is removed again. The tree must exist then.

    Raises:
        PatchError: when a patch conflicts, with what to do; when a rebase is half-finished already, the tree
            has changes that are not committed, or there are no patches.
        FarmError: when the source of the version cannot be fetched.
    """
    tree.check_patchable()
    if not tree.exists and not dry_run:
        if not tree.recipe.table.patches:
            hint = "change `version` and `sha256` in the recipe: there is nothing to move"
            raise PatchError(f"{tree.recipe.name} has no patches", where=tree.recipe.where, hint=hint)
        if base is None and tree.recipe.table.version == onto:
            what = f"the recipe of {tree.recipe.name} is for {onto} already"
            hint = "if its patches are for an older version, name that: --base=VERSION"
            raise PatchError(what, where=tree.recipe.where, hint=hint)
        start(tree, base=base)
    with tree.locked():
        state, git = tree.state(), tree.git
        tree.refuse_unfinished()
        tree.refuse_uncommitted()
        # A series that somebody has changed since could not be saved.
        plan_save(tree)
        root = git.root()
        known = state.sources.get(root)
        if known and known.version == onto and (commit is None or known.pins.get("source.commit") == commit):
            raise git.error(f"the patch tree is at {onto} already", hint=f"inv patch.save {tree.recipe.name}")
        source = tree.fetcher.another_version(tree.recipe.name, tree.recipe.source, onto, commit=commit)
        with tree.draft() as draft:
            new = git.commit_all(source_message(tree.recipe, source), tree=tree.unpack(source, draft))
        added = TreeSource(version=onto, pins=pins_of(source))
        if dry_run:
            return _try(tree, new, root, onto)
        tree.write_state(state.model_copy(update={"sources": {**state.sources, new: added}}))
        git.git("update-ref", source_tag(onto), new)
        ended = git.git(*_REBASE, new, root, check=False)
        return _result(tree, git, onto, ended)


def _try(tree: PatchTree, new: str, root: str, onto: str) -> Rebased:
    """Move the series in a work tree of its own, which has its own state of a rebase."""
    with tree.draft() as draft:
        work = draft / "dry-run"
        tree.git.git("worktree", "add", "--quiet", "--detach", str(work), "HEAD")
        git = GitTree(work, tree.settings.environ, tree.git.git_dir / "worktrees" / work.name)
        try:
            return _result(tree, git, onto, git.git(*_REBASE, new, root, check=False))
        except PatchError as problem:
            problem.where = str(tree.path)
            problem.hint = f"inv patch.rebase {tree.recipe.name} --onto={onto} stops there, for you to decide"
            raise
        finally:
            tree.git.git("worktree", "remove", "--force", str(work))


def resume(tree: PatchTree, action: str) -> Rebased:
    """Go on with a rebase that has stopped, or go back.

    Args:
        tree: the tree.
        action: continue, skip or abort.

    Raises:
        PatchError: when there is no such rebase, or a patch conflicts.
    """
    with tree.locked():
        tree.state()
        if tree.git.unfinished() != "rebase":
            raise tree.git.error(f"there is no half-finished rebase to {action}")
        ended = tree.git.git("rebase", f"--{action}", check=False)
        return _result(tree, tree.git, None, ended)


def chosen_action(*, resume: bool, skip: bool, abort: bool) -> str | None:
    """The one of three switches that is on.

    Raises:
        UsageError: when there are several.
    """
    actions = [name for name, on in (("continue", resume), ("skip", skip), ("abort", abort)) if on]
    if len(actions) > 1:
        raise UsageError(f"--{actions[0]} and --{actions[1]} exclude each other")
    return actions[0] if actions else None


def _result(tree: PatchTree, git: GitTree, onto: str | None, ended: Finished) -> Rebased:
    state = tree.state()
    if git.unfinished():
        raise _conflict(tree, git, ended.output)
    if ended.returncode:
        raise git.error("the patches could not be moved", why=ended.output.strip())
    root = git.root()
    messages = [read_message(git.message(commit)) for commit in git.commits(root)]
    present = {name for names, _ in messages for name in names}
    return Rebased(
        version=state.sources[root].version if root in state.sources else str(onto),
        patches=tuple(title_of(header) for _, header in messages),
        dropped=tuple(file for file in state.files if file not in present),
    )


def _conflict(tree: PatchTree, git: GitTree, output: str) -> FarmError:
    stopped = git.git("rev-parse", "--verify", "--quiet", "REBASE_HEAD", check=False)
    names, header = list[str](), ""
    if stopped.returncode == 0:
        names, header = read_message(git.message(stopped.output.strip()))
    what = f"{names[0] if names else title_of(header) or 'a patch'} conflicts with the new source"
    files = git.line("diff", "--name-only", "--diff-filter=U").splitlines()
    why = (
        f"these files need a decision:\n{listed(files)}" if files else output.strip() or "it has become empty"
    )
    return git.error(what, why=why, hint=rebase_hint(tree))
