"""A requirements file with the hashes of the farm's wheels, and of all that they need from elsewhere."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import LockError, ProcessError
from wheelfarm.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wheelfarm.index.offer import Offer
    from wheelfarm.model import Name

_RESOLVING: Final = 300.0
"""Seconds for uv to resolve."""


def pins(offers: Iterable[Offer]) -> str:
    """A line for each distribution: its version, and the hash of each of its wheels."""
    releases: dict[tuple[Name, str], list[str]] = {}
    for offer in offers:
        releases.setdefault((offer.project, offer.version), []).append(offer.sha256)
    lines = []
    for (project, version), hashes in sorted(releases.items()):
        lines += [f"{project}=={version} \\"]
        lines += [f"    --hash=sha256:{sha256} \\" for sha256 in sorted(hashes)]
        lines[-1] = lines[-1].removesuffix(" \\")
    return "".join(f"{line}\n" for line in lines)


def from_elsewhere(offers: Sequence[Offer]) -> frozenset[Name]:
    """What the offers need that is none of them."""
    return frozenset(name for offer in offers for name in offer.requires) - {
        offer.project for offer in offers
    }


def resolve(
    offers: Sequence[Offer], *, simple: str, python: str, env: Mapping[str, str], public: str | None
) -> str:
    """Pin what the offers need from elsewhere, with hashes, for all platforms.

    Args:
        offers: the farm's wheels.
        simple: an index that has them: it is asked first, so that no other one can supply their names.
        python: the lowest feature version.
        env: the environment in which uv is found and run.
        public: the index for the rest; uv's own default where nobody names one.

    Returns:
        Lines of a requirements file, without the farm's own distributions.

    Raises:
        LockError: when it does not resolve.
    """
    if not from_elsewhere(offers):
        return ""
    projects = sorted({offer.project for offer in offers})
    wanted = sorted({f"{offer.project}=={offer.version}" for offer in offers})
    with tempfile.TemporaryDirectory(prefix="wheelfarm-lock-") as scratch:
        output = Path(scratch) / "requirements.txt"
        command = Command(
            argv=(
                *("uv", "pip", "compile", "--no-config", "--universal", "--generate-hashes", "--no-header"),
                *("--no-annotate", "--quiet", "--python-version", python, "--only-binary", ":all:"),
                *("--no-emit-index-url", "--index-strategy", "first-index"),
                *(word for project in projects for word in ("--no-emit-package", project)),
                *("--output-file", str(output), "-"),
            ),
            # The urls may hold credentials, so they are no arguments.
            env={**env, "UV_INDEX": simple, **({"UV_DEFAULT_INDEX": public} if public else {})},
            stdin="\n".join(wanted) + "\n",
            time_limit=_RESOLVING,
        )
        try:
            run(command)
        except ProcessError as problem:
            raise LockError(
                "what the wheels need from elsewhere does not resolve",
                where=", ".join(wanted),
                why=problem.why,
            ) from problem
        return output.read_text(encoding="utf-8")
