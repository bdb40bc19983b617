"""An AWS Lambda layer: planned for the system of its runtime, written, and tested from its ZIP file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.deploy.check import check_deployed
from wheelfarm.deploy.deployment import one_target, plan_deployment
from wheelfarm.deploy.tree import DROPPABLE
from wheelfarm.deploy.zip_file import write_zip
from wheelfarm.errors import EngineError, UsageError
from wheelfarm.gate.systems import find_system, systems
from wheelfarm.system.files import copy_verified, sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from wheelfarm.build.engine import ProgressListener
    from wheelfarm.deploy.deployment import Deployment
    from wheelfarm.gate.systems import System
    from wheelfarm.model import Name, Target
    from wheelfarm.run.farm import Farm

MOST: Final = 250 << 20
"""Bytes of a function and all its layers, unpacked ("Lambda quotas")."""
_RUNTIME: Final = "lambda-python"


def check_layer_limit(layer: Deployment, limit: int) -> None:
    """Refuse a layer that is too large.

    Raises:
        DeployError: when it is larger than the limit.
    """
    why = "Lambda counts the function and all its layers together, unpacked" if limit == MOST else None
    layer.check_limit(limit, why=why)


def make_layer(layer: Deployment, path: Path, listener: ProgressListener) -> tuple[str, ...]:
    """Write and test the layer; the file is there only if it works. The names of what was tested.

    Raises:
        EngineError: when nothing can be tested, as where the builder image can neither be run nor pulled.
        DeployError: when a wheel does not work from it.
        OSError: when it cannot be written.
    """
    target = layer.selection.target
    if not layer.farm.engine.pythons(target):
        raise EngineError(
            "the layer cannot be tested: the builder image does not run",
            where=f"images.{target.platform_suffix}",
            hint="nox -s doctor says why; --engine host tests with this machine's Python",
        )
    with tempfile.TemporaryDirectory(prefix="wheelfarm-layer-") as scratch:
        draft = Path(scratch, "layer.zip")
        write_zip(layer.tree, draft, layer.bytecode)
        tests = Path(scratch, "tests")
        tested = check_deployed(layer, layer.farm.engine, tests, listener, layer=draft)
        copy_verified(draft, path, sha256_of_file(draft))
    return tested


def plan_layer(
    farm: Farm,
    names: Iterable[Name],
    like: str = "",
    *,
    drop: Collection[str] = DROPPABLE,
    pyc: bool = False,
) -> Deployment:
    """Select and lay out what a layer has.

    Args:
        farm: its settings name one Python.
        names: the distributions.
        like: the system that it runs on; empty for that of Lambda's runtime.
        drop: of DROPPABLE, what is left out.
        pyc: whether it has bytecode.

    Raises:
        UsageError: for several Pythons, and for a system that is unknown.
        DeployError: as `plan_deployment`.
    """
    target = one_target(farm, "a layer")
    system = find_system(like) if like else _runtime(target)
    return plan_deployment("layer", farm, names, target, system, option="--like", drop=drop, pyc=pyc)


def _runtime(target: Target) -> System:
    """The system of Lambda's runtime for a Python."""
    name = f"{_RUNTIME}{target.python}"
    if name not in systems():
        known = ", ".join(each.removeprefix(_RUNTIME) for each in systems() if each.startswith(_RUNTIME))
        raise UsageError(
            f"the system of Lambda's runtime for Python {target.python} is unknown",
            where="--python",
            hint=f"choose one of {known}, or name a system with --like",
        )
    return find_system(name)
