"""The resources that a worker was started with, and what a build needs of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.plan.build import Build

_LABEL: Final = 2.0**-20
"""What a build takes of a label: a worker with the label builds as many at a time as its other resources let.

A power of two, so that what is taken and given back adds up to the same number.
"""


def start_worker(address: str, *labels: str) -> str:
    """The command that starts a worker with labels."""
    resources = " ".join(("cpus=4", "memory=16e9", *(f"{label}=1" for label in labels)))
    return f'dask worker {address} --nthreads 4 --resources "{resources}"'


def labels_of(build: Build) -> tuple[str, str]:
    """The labels that a worker for a build was started with: its engine, and system and processor."""
    target = build.id.target
    return build.engine.value, f"{target.platform.value}-{target.arch}"


@dataclass(frozen=True)
class Wanted:
    """What a build needs of a worker."""

    cpus: int
    memory: int
    labels: tuple[str, ...]

    def resources(self) -> dict[str, float]:
        """The same, as Dask counts it."""
        memory = {"memory": float(self.memory)} if self.memory else {}
        return {"cpus": float(self.cpus), **memory, **dict.fromkeys(self.labels, _LABEL)}

    def lacking(self, found: Mapping[str, float]) -> list[str]:
        """What a worker lacks; empty when it fits."""
        lacking = [f"no resource {name}" for name in ("cpus", *self.labels) if not found.get(name)]
        if self.memory > found.get("memory", 0):
            lacking.append(f"memory={found.get('memory', 0):g} of {self.memory:g}")
        if found.get("cpus") and self.cpus > found["cpus"]:
            lacking.append(f"cpus={found['cpus']:g} of {self.cpus}")
        return lacking
