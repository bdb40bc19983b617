"""Farms whose wheelhouse is full of small wheels with real records, ready to be published."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from support.farm import write_farm
from support.index import Index
from support.records import sample_embedded, sample_inputs, sample_record
from support.wheels import make_wheel
from wheelfarm.model import Name, Target
from wheelfarm.provenance.record import EMBEDDED, RecordedWheel
from wheelfarm.recipes.settings import load
from wheelfarm.run.farm import Farm
from wheelfarm.run.publication import Publication
from wheelfarm.system.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.model import StoredWheel
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

VARIANT: Final = "plain"
SBOM: Final = '{"bomFormat": "CycloneDX", "specVersion": "1.6"}'
TARGETS: Final = ("cp311-manylinux_x86_64", "cp312-manylinux_x86_64")
RECIPES: Final[Mapping[str, Table]] = {
    "alpha": {},
    "beta": {"requires": {"host": ["alpha"], "run": ["alpha"]}},
}


def tag_of(target: str) -> str:
    """The tag of a wheel for a target of Linux."""
    python, _, suffix = target.partition("-")
    return f"{python}-{python}-{suffix.replace('manylinux', 'manylinux_2_28')}"


def store(
    wheelhouse: Wheelhouse,
    name: str,
    version: str = "1.0",
    target: str = TARGETS[0],
    *,
    requires: Iterable[str] = (),
    content: str = "",
    build: str = "",
    variant: str = VARIANT,
    tag: str | None = None,
    recipe: str | None = None,
    inputs_of: str | None = None,
) -> StoredWheel:
    """Make a wheel and store it with the record of a build that passed its gate.

    Args:
        wheelhouse: where it is stored.
        name: its distribution.
        version: its version.
        target: its target.
        requires: distributions that it requires.
        content: part of its bytes.
        build: a build tag of its own.
        variant: its variant.
        tag: its tag; by default that of the target.
        recipe: its recipe; by default that of its own name.
        inputs_of: the content whose inputs, and so build key, it has; by default its own.
    """
    directory = wheelhouse.root.parent / "made" / f"{name}-{version}-{target}-{content}-{variant}"
    directory.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    inputs = sample_inputs(
        name=recipe or name,
        version=version,
        target=target,
        variant=variant,
        environment={"INPUTS": content if inputs_of is None else inputs_of, "TAG": tag or "", "B": build},
    )
    embedded = sample_embedded(name, inputs)
    inside = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": f"VERSION = {version!r}\nCONTENT = {content!r}\n",
        f"{inside}/sboms/wheelfarm.cdx.json": SBOM,
        f"{inside}/{EMBEDDED}": embedded.to_json(),
    }
    wheel = make_wheel(
        directory, name, version, files, tag=tag or tag_of(target), requires=requires, build=build
    )
    sha256, key = sha256_of_file(wheel), embedded.key
    record = sample_record(
        recipe=Name(recipe or name),
        distribution=Name(name),
        version=version,
        variant=variant,
        target=Target.parse(target),
        key=key,
        wheel=RecordedWheel(filename=wheel.name, sha256=sha256, size=wheel.stat().st_size, built_sha256=None),
    )
    return wheelhouse.store(wheel, sha256=sha256, variant=variant, key=key, record=record.to_json())


def stock(
    wheelhouse: Wheelhouse,
    version: str = "1.0",
    *,
    content: str = "",
    targets: Iterable[str] = TARGETS,
    inputs_of: str | None = None,
) -> None:
    """Store alpha, and beta which needs it, for each target; see `store`."""
    for target in targets:
        store(wheelhouse, "alpha", version, target, content=content, inputs_of=inputs_of)
        store(wheelhouse, "beta", version, target, requires=["alpha"], content=content, inputs_of=inputs_of)


def publishing_farm(
    root: Path,
    index: Table,
    *,
    environ: Mapping[str, str] | None = None,
    recipes: Mapping[str, Table] = RECIPES,
) -> Farm:
    """A farm with recipes for alpha and beta, an index called `internal`, and an empty wheelhouse."""
    table = {"targets": list(TARGETS), "listing-timeout": 2.0, **index}
    write_farm(root, recipes, settings={"index": {"internal": table}})
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(root / "home"), **(environ or {})}
    return Farm(settings=load(root, environ=variables))


def publication(farm: Farm) -> Publication:
    """The farm's plain wheels, and its index."""
    return Publication(farm=farm, index_name="internal", variant=VARIANT, sleep=lambda _seconds: None)


def failures_at_once(publish: Callable[[Farm], object], farms: Iterable[Farm]) -> list[BaseException]:
    """What went wrong when several farms published at the same time."""
    failures: list[BaseException] = []

    def run(farm: Farm) -> None:
        try:
            publish(farm)
        except BaseException as error:  # noqa: BLE001 - raised in the main thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=[farm]) for farm in farms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def decoy_index(root: Path) -> Index:
    """An index of others: higher versions of alpha and beta, other bytes of alpha 1.0, and third."""
    index, made = Index(root / "decoy"), root / "decoys"
    made.mkdir()
    evil = {"evil.py": "raise SystemExit('the decoy was installed')\n"}
    index.add(
        *(make_wheel(made, name, "9.0", evil) for name in ("alpha", "beta")),
        make_wheel(made, "alpha", "1.0", evil),
        make_wheel(made, "third", "2.0", {"third.py": "VERSION = '2.0'\n"}),
    )
    return index
