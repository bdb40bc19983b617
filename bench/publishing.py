"""Publishing, against twine alone: a pypiserver with 500 wheels, and a static index of 10,000."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import requests
from figures import Figure

from support.faults import proxy
from support.indexes import LOGIN, pypiserver
from support.publishing import VARIANT, publishing_farm, store
from wheelfarm.index.candidates import Candidate, find_candidates
from wheelfarm.index.static import StaticIndex
from wheelfarm.index.storage import Directory
from wheelfarm.model import Name
from wheelfarm.provenance.attestation import Attestation
from wheelfarm.recipes.index_table import IndexKind
from wheelfarm.run.farm import Farm
from wheelfarm.run.publication import Publication
from wheelfarm.wheelhouse.layout import metadata_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PYTHONS = ("310", "311", "312", "313", "314")
PLATFORM_SUFFIXES = ("manylinux_x86_64", "manylinux_aarch64", "macosx_arm64", "win_amd64")
TARGETS = [f"cp{python}-{place}" for python in PYTHONS for place in PLATFORM_SUFFIXES]
RUNS = 5
AWAY = 0.01
"""Seconds to a server in the same country, and back."""
PACKAGES = 25
PROJECTS = 500


def publishing(work: Path) -> list[Figure]:
    """Wheels of 25 packages for twenty targets: published, published again, and uploaded by twine.

    twine gets the same files. On loopback the time is the server's, which reads its whole directory for each
    file; elsewhere it is the round trips. A progress bar is a fifth of twine's time there, so it is measured
    without one too.
    """
    farm = _stocked(work / "publishing")
    wheels = len(find_candidates(farm.wheelhouse, VARIANT))
    near, far = (
        [_round(farm, work / f"{away:g}-{number}", away) for number in range(RUNS)] for away in (0.0, AWAY)
    )
    place = f"{AWAY * 1e3:g} ms from the server"
    near_typed, near_bare, again, pages = map(median, zip(*near, strict=True))
    far_typed, far_bare, *_ = map(median, zip(*far, strict=True))
    return [
        Figure(f"publish {wheels} wheels: times twine upload", near_typed, "x", 1.0),
        Figure("the same, twine without a progress bar", near_bare, "x"),
        Figure(f"the same, {place}", far_typed, "x", 1.0),
        Figure(f"the same, {place}, without a bar", far_bare, "x"),
        Figure("publish the same again: share of the first", again, "%", 5.0),
        Figure("the server's pages alone: share of the first", pages, "%"),
    ]


class _Round(NamedTuple):
    """A publish as a multiple of twine as one types it, or without a bar; the rest in per cent of it.

    That is the same publish again, and the server's pages alone.
    """

    typed: float
    bare: float
    again: float
    pages: float


def _round(farm: Farm, work: Path, away: float) -> _Round:
    """One publish, the same again, and twine twice; in turn, each to an empty server but the second.

    Args:
        farm: what is published.
        work: where the servers keep what they get.
        away: seconds that a request takes to the server and back.
    """
    with pypiserver(work / "farm") as server:
        with _far(server.url, away) as url:
            own, again = (_published(farm, url) for _ in range(2))
            pages = _read_pages(url)
        names = {path.name for path in server.root.iterdir()}
        if len(names) != len(find_candidates(farm.wheelhouse, VARIANT)):
            raise SystemExit(f"the server has {len(names)} files, which are not all wheels")
        files = sorted(map(str, server.root.iterdir()))
        typed, bare = (
            _twine(work / f"twine-{number}", away, options, files)
            for number, options in enumerate(([], ["--disable-progress-bar"]))
        )
    return _Round(typed=own / typed, bare=own / bare, again=100 * again / own, pages=100 * pages / own)


def _read_pages(url: str) -> float:
    """The seconds that the pages of all packages take, as many at once as the farm reads."""
    started = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        pages = [f"{url}simple/package{number:02}/" for number in range(PACKAGES)]
        for answer in pool.map(requests.get, pages):
            answer.raise_for_status()
    return time.perf_counter() - started


def _twine(work: Path, away: float, options: Iterable[str], files: Iterable[str]) -> float:
    """The seconds that twine takes for these files."""
    with pypiserver(work) as server, _far(server.url, away) as url:
        return _seconds("twine", "upload", "--non-interactive", *options, "--repository-url", url, *files)


@contextmanager
def _far(url: str, away: float) -> Iterator[str]:
    """The url of a server from so many seconds away."""
    if not away:
        yield url
        return
    with proxy(url) as between:
        between.on_request = lambda _method, _path: time.sleep(away)
        yield between.url


def _seconds(*words: str) -> float:
    started = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, **LOGIN})
    return time.perf_counter() - started


def _stocked(root: Path) -> Farm:
    table = {"kind": "static", "url": "../public", "targets": TARGETS}
    farm = publishing_farm(root, table, environ={**LOGIN, "PATH": os.environ["PATH"]})
    for number in range(PACKAGES):
        for target in TARGETS:
            store(farm.wheelhouse, f"package{number:02}", target=target)
    return farm


def _published(farm: Farm, url: str) -> float:
    """The seconds of one publish, from nothing known of the index."""
    table = farm.settings.choose_index("internal").model_copy(
        update={"kind": IndexKind.SIMPLE_UPLOAD, "url": url, "variants": {VARIANT: ""}}
    )
    settings = farm.settings.replace(indexes={"internal": table})
    started = time.perf_counter()
    Publication(farm=Farm(settings=settings), index_name="internal", variant=VARIANT).publish(None)
    return time.perf_counter() - started


def static_index(work: Path) -> list[Figure]:
    """A static index of 10,000 wheels, written at once; then one wheel added to it, and to one of 100."""
    root = work / "static"
    small, large = (_filled(root / str(count), count) for count in (PROJECTS // 100, PROJECTS))
    few, many = (_added(*each[:2]) for each in (small, large))
    return [
        Figure(f"static index of {PROJECTS * len(TARGETS):,} wheels", large[2], "s", 60.0),
        Figure("one wheel more: times the same in 100 wheels", many / few, "x", 1.5),
    ]


def _candidates(root: Path, projects: int) -> list[Candidate]:
    """Candidates of as many projects, for twenty targets each; the wheels are links to twenty."""
    farm = publishing_farm(root / "farm", {"kind": "static", "url": "../public", "targets": TARGETS})
    found = []
    for target in TARGETS:
        store(farm.wheelhouse, "some", target=target)
    models = find_candidates(farm.wheelhouse, VARIANT)
    (root / "wheels").mkdir()
    for number in range(projects):
        for model in models:
            name = f"some{number:04}"
            path = root / "wheels" / model.filename.replace("some", name, 1)
            os.link(model.path, path)
            shutil.copy(metadata_of(model.path), metadata_of(path))
            found.append(
                replace(model, project=Name(name), path=path, file=replace(model.file, filename=path.name))
            )
    return found


def _filled(root: Path, projects: int) -> tuple[StaticIndex, Candidate, float]:
    """An index with all but one wheel, that wheel, and the seconds that the others took."""
    *first, last = _candidates(root, projects)
    attestation = Attestation(record="{}" * 5000, statement="{}" * 1000)
    place = Directory(root / "public")
    index = StaticIndex("bench", place, lambda _wheel: attestation)
    started = time.perf_counter()
    index.upload(first)
    return index, last, time.perf_counter() - started


def _added(index: StaticIndex, candidate: Candidate) -> float:
    """The seconds that one wheel takes: the best of some tries, each with the wheel removed before."""
    found = []
    for _ in range(7):
        started = time.perf_counter()
        index.upload([candidate])
        found.append(time.perf_counter() - started)
        index.remove(candidate.project, [candidate.filename])
    return min(found)
