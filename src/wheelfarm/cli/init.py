"""init: starts a farm of one's own, which depends on the installed wheelfarm."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.cli.ci import render_workflow
from wheelfarm.cli.task import task
from wheelfarm.errors import UsageError
from wheelfarm.recipes.settings import load, split_words
from wheelfarm.report.text import table_lines
from wheelfarm.run.farm import Farm
from wheelfarm.run.new_farm import (
    BASE_RECIPE,
    FIRST_RECIPE,
    REQUIREMENTS,
    common_files,
    describe,
    has_settings,
    is_pinned,
    lay_files,
    starting_files,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.cli.task import Invocation


@task(
    *("dry_run", "json"),
    recipes=f"recipes of wheelfarm to begin with, with commas; by default {FIRST_RECIPE}, a small one",
    base="take the recipes of the installed wheelfarm, below recipes of your own, in place of copies",
    wheel="the wheel of wheelfarm that jobs of CI install; by default the one that pip installed here",
)
def init(call: Invocation, *, recipes: str = "", base: bool = False, wheel: str = "") -> None:
    """Start a farm in the current directory; what is there stays."""
    root, names = Path.cwd(), split_words(recipes)
    if wheel and not Path(wheel).is_file():
        raise UsageError(f"there is no file {wheel}")
    if base and names:
        raise UsageError("--base takes all recipes, and --recipes copies some", hint="leave one of them out")
    files = common_files(Path(wheel) if wheel else None)
    if has_settings(root):
        if base:
            what, hint = "this is a farm already", 'add base = "wheelfarm" to [tool.wheelfarm]'
            raise UsageError(what, where=str(root), hint=hint)
        if names:
            what = "this is a farm already, and recipes are not copied into one"
            raise UsageError(
                what, where=str(root), hint="wheelfarm init, without --recipes, adds what is missing"
            )
    else:
        files |= starting_files(names, base=base)
        files |= _workflow(files)
    laid = lay_files(root, files, dry_run=call.dry_run)
    rows = [[each.path, each.state.value, each.note] for each in laid]
    lines = table_lines(["file", "", ""], rows, whole=["file"], width=call.screen.width)
    call.show([asdict(each) for each in laid], [describe(laid, dry_run=call.dry_run), "", *lines])
    if not is_pinned(files[REQUIREMENTS].decode()):
        call.screen.say(
            f"{REQUIREMENTS} lacks the digest of wheelfarm's wheel, so CI cannot install it: --wheel FILE"
        )
    if not call.dry_run:
        first = names[0] if names else BASE_RECIPE if base else FIRST_RECIPE
        call.screen.say(f"next: git add . && nox -l && nox -s doctor && nox -s build-{first}")


def _workflow(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The workflow of a farm with these files, which are written to a temporary directory for it."""
    with tempfile.TemporaryDirectory() as directory:
        lay_files(Path(directory), files, dry_run=False)
        root = Path(directory)
        path, text = render_workflow(Farm(settings=load(root)), "github")
        return {path.relative_to(root).as_posix(): text.encode()}
