"""Farms that publish to a server which takes uploads, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from support.indexes import LOGIN
from support.publishing import publication, publishing_farm, stock

if TYPE_CHECKING:
    from pathlib import Path

    from support.indexes import Server
    from wheelfarm.index.comparison import Comparison
    from wheelfarm.run.farm import Farm

PUBLISH: Final = """\
import logging, sys
from pathlib import Path
from wheelfarm.run.farm import Farm
from wheelfarm.run.publication import Publication
from wheelfarm.recipes.settings import load

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
farm = Farm(settings=load(Path(sys.argv[1])))
Publication(farm=farm, index_name="internal", variant="plain").publish()
"""
"""Publishes the farm at its argument in another process, which can be killed."""


def farm_for(
    root: Path, url: str, *, content: str = "", inputs_of: str | None = None, **variables: str
) -> Farm:
    """A farm with alpha and beta, and a server that takes uploads of them."""
    farm = publishing_farm(
        root,
        {"kind": "simple-upload", "url": url, "variants": {"plain": ""}},
        environ={**LOGIN, **variables},
    )
    stock(farm.wheelhouse, content=content, inputs_of=inputs_of)
    return farm


def publish(farm: Farm) -> Comparison:
    """Publish all, without the pauses."""
    return publication(farm).publish()


def names(server: Server) -> set[str]:
    """The names of its wheels."""
    return {path.name for path in server.root.iterdir()}


def logs(farm: Farm) -> str:
    """What its logs hold."""
    return "".join(path.read_text() for path in (farm.settings.work / "logs").glob("*"))
