"""Edits of recipes: those that failures propose, and those that were made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.errors import Proposal
    from wheelfarm.run.recipe_fix import RecipeFix


def proposal_data(proposal: Proposal) -> dict[str, Any]:
    """A proposed edit of a recipe, for programs."""
    return {
        "recipe": proposal.where,
        "values": dict(proposal.values),
        "toml": "\n".join(proposal.lines),
        "commands": list(proposal.commands),
    }


def proposal_lines(proposal: Proposal) -> Iterator[str]:
    """A proposed edit of a recipe, and what to do with it."""
    yield f"the last build failed; an edit of {proposal.where} may mend it:"
    yield from (f"  {line}" for line in proposal.lines)
    first, *rest = proposal.hint.split("\n")
    yield from (f"next: {first}", *(f"  {line}" for line in rest))


def fix_data(fix: RecipeFix) -> dict[str, Any]:
    """An edit of a recipe that was made, for programs."""
    return {
        **proposal_data(fix.proposal),
        "diff": "\n".join(fix.diff),
        "locks": sorted(fix.locks),
    }


def fix_lines(fix: RecipeFix, *, dry_run: bool) -> Iterator[str]:
    """The change of a recipe, as a diff, and of its locks."""
    yield from fix.diff
    verb, directory = "would write" if dry_run else "wrote", fix.proposal.where.removesuffix("recipe.toml")
    yield from (f"{verb} {directory}{name}" for name in sorted(fix.locks))
