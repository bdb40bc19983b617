"""A drafted recipe for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wheelfarm.errors import counted
from wheelfarm.recipes.draft.drafter import RECIPE
from wheelfarm.recipes.locks import parse_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wheelfarm.recipes.draft.drafter import Draft

_LANGUAGES = {"c": "C", "c++": "C++", "fortran": "Fortran"}


def draft_lines(draft: Draft, lacking: Sequence[str], *, dry_run: bool) -> Iterator[str]:
    """The answer for people: what was written, what to know, and the next command; a dry run shows the files.

    Args:
        draft: the recipe.
        lacking: the system packages that this machine does not have.
        dry_run: whether nothing was written.
    """
    name, verb = draft.name, "would write" if dry_run else "wrote"
    compilers = draft.recipe.compilers
    languages = ["c", "c++"] if compilers is None else compilers
    what = ", ".join(_LANGUAGES[each] for each in languages) or "pure Python"
    pins = len(parse_lines(draft.files["build.lock"], "build.lock"))
    yield (
        f"{verb} recipes/{name}: {name} {draft.release.version}, {draft.facts.backend}, {what}, "
        f"{counted(pins, 'build requirement')} pinned"
    )
    for note in draft.notes:
        yield f"  {note}"
    for kind in ("host", "run"):
        if names := getattr(draft.recipe, kind):
            yield f"  requires.{kind}, from this farm: {', '.join(names)}"
    for library in draft.recipe.libraries:
        yield f"  it needs {library}"
    if lacking:
        yield f"  this machine lacks {', '.join(lacking)}: nox -s build-{name} as root installs them"
    for question in draft.recipe.questions:
        yield f"  question: {question}"
    for other in draft.pinned_by:
        yield f"  the locks of {other} pin {name}: add it to its requires, then inv recipe.lock {other}"
    if dry_run:
        for file, text in draft.files.items():
            yield from ("", f"recipes/{name}/{file}:", *text.splitlines())
        return
    yield f"next: read recipes/{name}/{RECIPE}, then nox -s build-{name}"


def draft_data(draft: Draft, lacking: Sequence[str], *, dry_run: bool) -> dict[str, Any]:
    """The same for programs."""
    recipe, facts = draft.recipe, draft.facts
    return {
        "name": draft.name,
        "version": draft.release.version,
        "written": not dry_run,
        "sdist": draft.release.filename,
        "sha256": draft.release.sha256,
        "backend": facts.backend,
        "languages": list(facts.languages),
        "pure": draft.pure,
        "imports": list(recipe.imports),
        "requires": {"host": list(recipe.host), "run": list(recipe.run)},
        "options": [each.name for each in (*recipe.meson, *recipe.cmake)],
        "system-packages": [
            {"name": each.name, "apt": each.apt, "dnf": each.dnf, "brew": each.brew}
            for each in recipe.libraries
        ],
        "missing-system-packages": list(lacking),
        "notes": list(draft.notes),
        "questions": list(recipe.questions),
        "pinned-by": list(draft.pinned_by),
        "files": dict(draft.files),
    }
