"""Makes a patch tree, unless that would lose work in another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.run.patch_save import unsaved_work

if TYPE_CHECKING:
    from wheelfarm.run.patch_tree import PatchTree, TreeState


def start(
    tree: PatchTree, *, base: str | None = None, discard: bool = False, dry_run: bool = False
) -> TreeState | None:
    """Make the patch tree of a recipe; one whose work is all saved is replaced.

    Args:
        tree: the tree.
        base: the version that the patches are for, where it is not the recipe's.
        discard: whether to remove a tree with work that is not saved.
        dry_run: only check whether there is such work.

    Returns:
        What the tree was made from; None for a dry run.

    Raises:
        PatchError: when there is work that is not saved, or a patch does not apply.
        FarmError: when the source cannot be fetched.
    """
    tree.check_patchable()
    with tree.locked():
        if tree.exists and not discard:
            refuse_unsaved(tree)
        source = tree.recipe.source
        if base is not None and base != source.version:
            source = tree.fetcher.another_version(tree.recipe.name, source, base)
        return None if dry_run else tree.make(source)


def refuse_unsaved(tree: PatchTree) -> None:
    """Refuse to replace a tree with work that is not in the farm.

    Raises:
        PatchError: when there is some.
    """
    if work := unsaved_work(tree):
        name = tree.recipe.name
        raise tree.git.error(
            f"the patch tree of {name} has work that is not saved",
            why="\n".join(work),
            hint=f"inv patch.save {name}; or inv patch.start {name} --discard, which removes it",
        )
