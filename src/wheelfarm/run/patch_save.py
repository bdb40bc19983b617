"""Writes the commits of a patch tree to the farm: patch files, and the recipe's list of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import PatchError, counted
from wheelfarm.model import sha256_of_bytes
from wheelfarm.run.patch_series import plan_save
from wheelfarm.run.patch_tree import listed
from wheelfarm.sources.patch_header import make_header
from wheelfarm.system.files import explain_os_errors, write_if_changed

if TYPE_CHECKING:
    from wheelfarm.run.patch_series import SavePlan
    from wheelfarm.run.patch_tree import PatchTree, TreeState


_SHOWN: Final = 5
"""Files that a warning names."""


def unsaved_work(tree: PatchTree) -> list[str]:
    """What would be lost with the tree; nothing where all is in the farm."""
    found, git = [], tree.git
    try:
        state = tree.state()
        if changes := git.changes(ignored=True):
            found.append(f"files that are not committed:\n{listed(changes)}")
        if operation := git.unfinished():
            found.append(f"a half-finished {operation}")
        elif others := git.other_work(set(state.sources)):
            found.append(f"commits elsewhere: {', '.join(others)}")
        if not operation and plan_save(tree).changes:
            found.append("commits that are not saved")
    except PatchError as problem:
        found.append(problem.what)
    return found


def commit_work(tree: PatchTree, *, title: str, why: str, upstream: str) -> None:
    """Commit all files that differ, as a new patch with this header.

    Raises:
        PatchError: when nothing differs, or an operation of git has stopped.
    """
    tree.state()
    tree.refuse_unfinished()
    if not tree.git.changes():
        raise tree.git.error("there is nothing to commit", why="no file of the patch tree differs")
    tree.git.git("add", "--all", ".")
    tree.git.git("commit", "--quiet", "--cleanup=verbatim", f"--message={make_header(title, why, upstream)}")


def save(tree: PatchTree, *, dry_run: bool = False) -> SavePlan:
    """Write the series of the tree to the farm; what is the same already stays byte for byte.

    A kill in between leaves whole files, and the next save completes them.

    Raises:
        PatchError: when there is no tree, it has changes that are not committed, a commit is no patch, or
            the patches of the farm have changed since the tree was made; then nothing is written.
        RecipeError: when the recipe's list cannot be edited.
    """
    state = tree.state()
    tree.refuse_unfinished()
    if changes := tree.git.changes():
        name = tree.recipe.name
        raise tree.git.error(
            f"the patch tree has {counted(len(changes), 'file')} that {'is' if len(changes) == 1 else 'are'} "
            "not committed",
            why=listed(changes),
            hint=f"commit them, git -C {tree.path} commit, or let the farm: "
            f"inv patch.save {name} --title=... --why=... --upstream=...",
        )
    plan = plan_save(tree)
    ignored = [line[3:] for line in tree.git.changes(ignored=True) if line.startswith("!! ")]
    if ignored:
        more = f"the source's .gitignore leaves out: {', '.join(ignored[:_SHOWN])}"
        more += f" and {len(ignored) - _SHOWN} more" if len(ignored) > _SHOWN else ""
        plan = replace(plan, warnings=(*plan.warnings, f"{more}; git add --force takes them"))
    if not dry_run:
        _write(tree, state, plan)
    return plan


def _write(tree: PatchTree, state: TreeState, plan: SavePlan) -> None:
    """First what the recipe will name, then the recipe, then remove what it names no more.

    Then each commit gets the name of its file, so that it stays the same patch when it is changed.
    """
    recipe = tree.recipe
    for file in plan.written:
        write_if_changed(recipe.patches / file, plan.series[file])
    if plan.recipe is not None:
        write_if_changed(recipe.directory / "recipe.toml", plan.recipe)
    with explain_os_errors(recipe.patches, "the patches"):
        for file in plan.removed:
            (recipe.patches / file).unlink(missing_ok=True)
    tree.git.reword(plan.messages)
    digests: dict[str, str] = {file: sha256_of_bytes(content) for file, content in plan.series.items()}
    tree.write_state(state.model_copy(update={"files": digests, "version": plan.source.version}))
