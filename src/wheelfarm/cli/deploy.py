"""deploy.layer: what runs elsewhere, made of stored wheels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheelfarm.build.engine import SilentListener
from wheelfarm.cli.task import parse_packages, task
from wheelfarm.deploy.lambda_layer import MOST, plan_layer
from wheelfarm.deploy.tree import DROPPABLE
from wheelfarm.errors import UsageError
from wheelfarm.recipes.settings import parse_size, split_words
from wheelfarm.recipes.strict import suggestion
from wheelfarm.report.deploy import layer_lines

if TYPE_CHECKING:
    from wheelfarm.cli.task import Invocation
    from wheelfarm.wheels.contents import Kind


@task(
    *("variant", "python", "platform", "engine", "dry_run", "json"),
    limit="the most bytes that it may have unpacked, such as 200M; Lambda's own limit by default",
    like="the system that it runs on, as in wheel.gate; that of Lambda's runtime by default",
    keep="kinds of files to keep, separated by commas: tests, header, typing",
    pyc="with bytecode, which takes space and starts faster",
    output="the ZIP file",
)
def layer(
    call: Invocation,
    packages: str,
    *,
    limit: str = "",
    like: str = "",
    keep: str = "",
    pyc: bool = False,
    output: str = "layer.zip",
) -> None:
    """Make an AWS Lambda layer of stored wheels and all that they need, and test it from its ZIP file."""
    allowed, drop = parse_size(limit) if limit else MOST, _dropped(keep)
    names = parse_packages(packages) or [recipe.name for recipe in call.farm.recipes]
    planned = plan_layer(call.farm, names, like, drop=drop, pyc=pyc)
    planned.check_limit(allowed)
    data: dict[str, Any] = {
        "system": planned.system.title,
        "wheels": {each.path.name: each.sha256 for each in planned.selection.wheels},
        "sizes": planned.tree.sizes(),
        "bytecode": planned.unpacked - planned.tree.size,
        "unpacked": planned.unpacked,
        "limit": allowed,
        "left-out": {f"{name}: {kind}": count for (name, kind), count in planned.tree.dropped.items()},
        "linked": planned.tree.saved_by_links,
    }
    if not call.dry_run:
        path = Path(output)
        data["tested"] = planned.make(path, SilentListener())
        data |= {"file": str(path), "zipped": path.stat().st_size}
    call.show(data, layer_lines(data, call.screen.width))


def _dropped(keep: str) -> frozenset[Kind]:
    """The kinds of files that are left out."""
    wanted = set(split_words(keep))
    known = [str(kind) for kind in DROPPABLE]
    for word in sorted(wanted - set(known)):
        raise UsageError(f"{word!r} is no kind of files", where="--keep", hint=suggestion(word, known))
    return frozenset(kind for kind in DROPPABLE if str(kind) not in wanted)
