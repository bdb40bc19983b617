"""deploy.layer, .image: what runs elsewhere, made of stored wheels."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.build.containers import ContainerEngine
from wheelfarm.build.engine import SilentListener
from wheelfarm.cli.task import parse_packages, task
from wheelfarm.deploy.base_image import check_name
from wheelfarm.deploy.image import plan_image
from wheelfarm.deploy.lambda_layer import MOST, check_layer_limit, make_layer, plan_layer
from wheelfarm.deploy.tree import DROPPABLE
from wheelfarm.deploy.tree_files import EPOCH
from wheelfarm.errors import EngineError, UsageError
from wheelfarm.recipes.settings import parse_size, split_words
from wheelfarm.recipes.strict import suggestion
from wheelfarm.report.deploy import image_lines, layer_lines
from wheelfarm.system.install_hints import install_command

if TYPE_CHECKING:
    from wheelfarm.cli.task import Invocation
    from wheelfarm.deploy.deployment import Deployment
    from wheelfarm.model import Name


_CONTENT: Final = {
    "keep": f"what to keep, separated by commas: {', '.join(DROPPABLE)}",
    "pyc": "with bytecode, which takes space and starts faster",
}
"""The options of both tasks that say what is laid out, with their help."""


@task(
    *("variant", "python", "platform", "engine", "dry_run", "json"),
    limit="the most bytes that it may have unpacked, such as 200M; Lambda's own limit by default",
    like="the system that it runs on, as in wheel.gate; that of Lambda's runtime by default",
    output="the ZIP file",
    **_CONTENT,
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
    planned = plan_layer(call.farm, _names(call, packages), like, drop=drop, pyc=pyc)
    check_layer_limit(planned, allowed)
    data = _planned(planned) | {"limit": allowed}
    if not call.dry_run:
        path = Path(output)
        data["tested"] = make_layer(planned, path, SilentListener())
        data |= {"file": str(path), "zipped": path.stat().st_size}
    call.show(data, layer_lines(data, call.screen.width))


@task(
    *("variant", "python", "platform", "dry_run", "json"),
    base="the image that it is built on, which has a Python; docker.io/library/python:X.Y-slim by default",
    tag="the name that it gets",
    limit="the most bytes that it may have with its base, such as 300M",
    output="a directory for its build context; without a container engine, only that is made",
    compare="build the image of pip and the public wheels on the same base too, and compare the sizes",
    **_CONTENT,
)
def image(
    call: Invocation,
    packages: str,
    *,
    base: str = "",
    tag: str = "localhost/wheelfarm-image:latest",
    limit: str = "",
    keep: str = "",
    pyc: bool = False,
    output: str = "",
    compare: bool = False,
) -> None:
    """Make a container image of stored wheels and all that they need, and test it without network."""
    check_name(tag, "--tag")
    allowed, drop = parse_size(limit) if limit else None, _dropped(keep)
    planned = plan_image(call.farm, _names(call, packages), base, drop=drop, pyc=pyc)
    if allowed is not None:
        planned.check_limit(allowed)
    container, examined = planned.container, planned.examined
    data = _planned(planned.content) | {"limit": allowed, "base": planned.base}
    data |= {"base-size": examined.size, "base-digest": examined.digest} if examined else {}
    if container is None and not output:
        raise EngineError(
            "neither podman nor docker answers here",
            why="one of them builds the image and tests it",
            hint=f"{install_command('podman')}; or --output DIRECTORY writes the build context alone",
        )
    if not call.dry_run:
        if container is not None:
            built = planned.build(container, tag, SilentListener(), limit=allowed)
            data |= {"image": tag, **asdict(built)}
        if output:
            planned.write_context(Path(output))
            words = (container or ContainerEngine("podman")).build_words(output, epoch=EPOCH)
            data |= {"context": output, "command": shlex.join((*words, f"--tag={tag}"))}
        if container is not None and compare:
            naive, kinds = planned.build_naive(container)
            data["public"] = {"size": naive.size, "kinds": kinds}
    call.show(data, image_lines(data, call.screen.width))


def _names(call: Invocation, packages: str) -> list[Name]:
    return parse_packages(packages) or [recipe.name for recipe in call.farm.recipes]


def _planned(content: Deployment) -> dict[str, Any]:
    """What both have, as data."""
    return {
        "system": content.system.title,
        "wheels": {each.path.name: each.sha256 for each in content.selection.wheels},
        "sizes": content.tree.sizes(),
        "bytecode": content.unpacked - content.tree.size,
        "unpacked": content.unpacked,
        "left-out": {f"{name}: {kind}": count for (name, kind), count in content.tree.dropped.items()},
        "linked": content.tree.saved_by_links,
    }


def _dropped(keep: str) -> frozenset[str]:
    """What is left out."""
    wanted = set(split_words(keep))
    for word in sorted(wanted - set(DROPPABLE)):
        raise UsageError(f"{word!r} is never left out", where="--keep", hint=suggestion(word, DROPPABLE))
    return frozenset(DROPPABLE) - wanted
