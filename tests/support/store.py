"""Factories for wheelhouse tests: tiny real wheels, storing them, and a checker that trusts nothing."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pypi_simple import ProjectPage

from support.wheels import make_wheel
from wheelfarm.model import Digest, Name
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from wheelfarm.model import StoredWheel
    from wheelfarm.wheelhouse.simple_index import IndexedFile

VARIANT = "openblas"
# Everything that changes a directory or begins to write a file; each is announced before it happens.
_STEPS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"})


def key_of(text: str) -> Digest:
    """A build key that stands for a text."""
    return Digest(hashlib.sha256(text.encode()).hexdigest())


def tiny_wheel(
    directory: Path,
    name: str = "demo",
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    content: str = "",
    requires_python: str = ">=3.9, <4",
) -> Path:
    """A wheel with one module, whose bytes depend on the arguments only; the directory is made."""
    directory.mkdir(parents=True, exist_ok=True)
    files = {f"{name}.py": f"{content!r}\n"}
    return make_wheel(directory, name, version, files, tag=tag, requires_python=requires_python)


def record_of(wheel: Path, **changes: object) -> str:
    """The least that the wheelhouse needs of a record."""
    described = {"filename": wheel.name, "sha256": sha256_of_file(wheel), "size": wheel.stat().st_size}
    return json.dumps({"wheel": described | changes})


def put(wheelhouse: Wheelhouse, wheel: Path, key: str, variant: str = VARIANT) -> StoredWheel:
    """Store a wheel under the key that stands for a text."""
    return wheelhouse.store(
        wheel, sha256=sha256_of_file(wheel), variant=variant, key=key_of(key), record=record_of(wheel)
    )


def current(wheelhouse: Wheelhouse, name: str = "demo") -> list[StoredWheel]:
    """The wheels of a distribution that the index lists."""
    return list(wheelhouse.current(VARIANT, Name(name)))


def listed(wheelhouse: Wheelhouse, variant: str = VARIANT) -> list[IndexedFile]:
    """All files that the index lists."""
    return [file for project in wheelhouse.projects(variant) for file in wheelhouse.listed(variant, project)]


def stock(directory: Path) -> list[Path]:
    """Wheels of three projects; of each file name there are two with different bytes."""
    return [
        tiny_wheel(directory / content, name, version, content=content)
        for name in ("alpha", "beta", "gamma")
        for version in ("1.0", "2.0")
        for content in ("first", "second")
    ]


def put_forever(root: Path, wheels: list[Path], seed: int) -> None:
    """Store wheels in a random order until somebody ends this process."""
    wheelhouse, chance = Wheelhouse(root), random.Random(seed)  # noqa: S311 - not for secrets
    while True:
        wheel = chance.choice(wheels)
        put(wheelhouse, wheel, f"{wheel.parent.name}/{wheel.name}")


def put_all(root: Path, wheels: list[Path]) -> None:
    """Store each wheel once."""
    for wheel in wheels:
        put(Wheelhouse(root), wheel, f"{wheel.parent.name}/{wheel.name}")


def put_and_die(root: Path, wheel: Path, key: str, step: int) -> None:
    """Store a wheel, and be killed right before the given step that touches the wheelhouse."""
    _die_before(root, step)
    put(Wheelhouse(root), wheel, key)


def collect_and_die(root: Path, step: int) -> None:
    """Collect garbage, and be killed right before the given step that touches the wheelhouse."""
    _die_before(root, step)
    Wheelhouse(root).collect_garbage(VARIANT, [])


def try_and_die(root: Path, step: int) -> None:
    """Check that one may write, and be killed right before the given step that touches the wheelhouse."""
    _die_before(root, step)
    Wheelhouse(root).ensure_writable(VARIANT)


def _die_before(root: Path, step: int) -> None:
    left = step

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal left
        if event in _STEPS and str(args[0]).startswith(str(root)):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def check_whole(root: Path, variant: str = VARIANT) -> set[str]:
    """Assert that all that the index lists is there and whole; return the listed file names."""
    listed: set[str] = set()
    simple = root / variant / "simple"
    for project in simple.glob("*/"):
        if (project / "index.json").exists():
            listed |= _check_json(project / "index.json")
        if (project / "index.html").exists():
            _check_html(project / "index.html")
    for first in (path for path in (simple / "index.json",) if path.exists()):
        assert all((simple / item["name"]).is_dir() for item in json.loads(first.read_text())["projects"])
    return listed


def _check_json(page: Path) -> set[str]:
    document = json.loads(page.read_text())
    for file in document["files"]:
        wheel = (page.parent / unquote(file["url"])).resolve()
        assert sha256_of_file(wheel) == file["hashes"]["sha256"]
        assert wheel.stat().st_size == file["size"]
        assert sha256_of_file(Path(f"{wheel}.metadata")) == file["core-metadata"]["sha256"]
        record = page.parents[2] / "records" / f"{file['_wheelfarm']['key']}.json"
        if not record.exists():  # a static index
            record = Path(f"{wheel}.record.json")
        assert json.loads(record.read_text())["wheel"]["sha256"] == file["hashes"]["sha256"]
    return {file["filename"] for file in document["files"]}


def _check_html(page: Path) -> None:
    for package in ProjectPage.from_html(page.parent.name, page.read_text(), page.as_uri()).packages:
        wheel = Path(unquote(urlsplit(package.url).path))
        assert sha256_of_file(wheel) == package.digests["sha256"]


def check_tidy(root: Path, variant: str = VARIANT) -> None:
    """Assert that nothing is left of an interrupted run, and that all pages agree."""
    check_whole(root, variant)
    directory = root / variant
    assert not list(directory.rglob(".*"))
    described = {
        json.loads(path.read_text())["wheel"]["sha256"] for path in (directory / "records").iterdir()
    }
    for place in (directory / "wheels").iterdir():
        (wheel,) = place.glob("*.whl")
        assert sha256_of_file(wheel) in described
    projects = sorted(path.parent.name for path in directory.glob("simple/*/index.json"))
    first = json.loads((directory / "simple/index.json").read_text())
    assert [item["name"] for item in first["projects"]] == projects
    for project in projects:
        page = directory / "simple" / project
        html = ProjectPage.from_html(project, (page / "index.html").read_text(), page.as_uri())
        files = json.loads((page / "index.json").read_text())["files"]
        assert [package.digests for package in html.packages] == [file["hashes"] for file in files]
