"""Starts a farm that depends on the installed wheelfarm: its files, none of which replaces another."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wheelfarm import __version__
from wheelfarm.ci.github import BUILD_WHEEL, BUMP
from wheelfarm.errors import UsageError, counted
from wheelfarm.model import parse_name
from wheelfarm.recipes.recipe import recipe_schema
from wheelfarm.recipes.strict import suggestion
from wheelfarm.system.files import sha256_of_file, write_new
from wheelfarm.system.shipped import shipped_farm
from wheelfarm.system.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_TEMPLATE: Final = Path(__file__).parent / "template"
PROJECT: Final = "pyproject.toml"
REQUIREMENTS: Final = "requirements/nox.txt"
"""What a job of CI installs: nox, wheelfarm, and all that these need."""
FIRST_RECIPE: Final = "markupsafe"
BASE_RECIPE: Final = "numpy"
"""The first one to build of a farm whose base is wheelfarm."""
_VARIANT: Final = "openblas"
_HEADER: Final = re.compile(r"^\[(tool\.wheelfarm\.[^\]]+)\]", re.MULTILINE)
NOTES: Final[Mapping[str, str]] = {
    "noxfile.py": "it needs: from wheelfarm.cli.sessions import register; register(Path(__file__).parent)",
    "tasks.py": "it needs: from wheelfarm.cli.program import collection; namespace = collection()",
    ".gitignore": "it needs the lines .nox/, .wheelfarm/, wheelhouse/ and ci-artifacts/",
}
"""What a file must hold that was there before."""


class FileState(StrEnum):
    """What happened to a file of a new farm."""

    WRITTEN = "written"
    MISSING = "would be written"
    SAME = "is there"
    """It was there, with the same content."""
    STAYS = "stays"
    """It was there, with another content."""


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """A file of a new farm."""

    path: str
    state: FileState
    note: str = ""


def has_settings(root: Path) -> bool:
    """Whether a directory is a farm already, by its pyproject.toml.

    Raises:
        UsageError: when its pyproject.toml is that of another project.
    """
    path = root / PROJECT
    if not path.exists():
        return False
    try:
        tool = parse_toml(path.read_text(encoding="utf-8")).get("tool")
    except ValueError as problem:
        raise UsageError(f"{PROJECT} cannot be read", where=str(path), why=str(problem)) from problem
    if isinstance(tool, dict) and "wheelfarm" in tool:
        return True
    raise UsageError(
        f"there is another project's {PROJECT} here, and nothing is written",
        where=str(path),
        why="it has no [tool.wheelfarm]",
        hint="mkdir farm && cd farm && wheelfarm init; or add [tool.wheelfarm], and run it again",
    )


def common_files(wheel: Path | None) -> dict[str, bytes]:
    """The files that each farm has, whatever it builds.

    Args:
        wheel: the wheel of wheelfarm that jobs of CI install; by default the one that was installed here.

    Raises:
        UsageError: when that is another version's.
    """
    farm = shipped_farm()
    return {
        "noxfile.py": _template("noxfile.py.txt"),
        "tasks.py": _template("tasks.py.txt"),
        ".gitignore": _template("gitignore.txt"),
        REQUIREMENTS: (farm / "requirements" / "ci.txt").read_bytes() + _own_requirement(wheel).encode(),
        "docs/reference/recipe.schema.json": recipe_schema().encode(),
        **{
            f".github/workflows/{name}": (farm / ".github" / "workflows" / name).read_bytes()
            for name in (BUILD_WHEEL, BUMP)
        },
    }


def _template(name: str) -> bytes:
    return (_TEMPLATE / name).read_bytes()


_BASE: Final = 'base = "wheelfarm=={version}"'
_NO_BASE: Final = f"# {_BASE}  # wheelfarm's recipes, variants and defaults below yours, in place of copies"


def starting_files(names: Sequence[str], *, base: bool = False) -> dict[str, bytes]:
    """The settings and recipes of a new farm: copies of wheelfarm's own, or one small recipe.

    Args:
        names: distributions of wheelfarm's farm; with them comes all that they need, and every variant.
        base: whether wheelfarm is the base of the farm, so that nothing is copied.

    Raises:
        UsageError: for a name that wheelfarm has no recipe for.
    """
    farm, recipes = shipped_farm(), _closure(names)
    text = (farm / PROJECT).read_text(encoding="utf-8")
    variants = [*parse_toml(text)["tool"]["wheelfarm"]["variants"]] if recipes else [_VARIANT]
    settings = _template("pyproject.toml.txt").decode().replace("{base}", _BASE if base else _NO_BASE)
    values = {"version": __version__, "python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for key, value in values.items():
        settings = settings.replace(f"{{{key}}}", value)
    if base:
        return {PROJECT: settings.rstrip().encode() + b"\n"}
    files = {PROJECT: (settings + "".join(_sections(text, variants))).encode()}
    for name in recipes:
        for directory in ("recipes", "patches"):
            files |= _tree(farm / directory / name, f"{directory}/{name}")
    if not recipes:
        files |= _tree(_TEMPLATE / "recipes" / FIRST_RECIPE, f"recipes/{FIRST_RECIPE}")
    for variant in variants:
        if lock := parse_toml(text)["tool"]["wheelfarm"]["variants"][variant].get("lock"):
            files[lock] = (farm / lock).read_bytes()
    return files


def _tree(directory: Path, name: str) -> dict[str, bytes]:
    paths = sorted(path for path in directory.rglob("*") if path.is_file() and path.suffix != ".pyc")
    # A script of the template is none of this package's modules: it has the suffix .txt.
    relative = {path: path.relative_to(directory).as_posix().removesuffix(".txt") for path in paths}
    return {f"{name}/{inside}": path.read_bytes() for path, inside in relative.items()}


def _closure(names: Sequence[str]) -> list[str]:
    """Some recipes of wheelfarm with all that they need, and those that supply a variant's BLAS."""
    farm = shipped_farm()
    known = {path.parent.name for path in (farm / "recipes").glob("*/recipe.toml")}
    settings = parse_toml((farm / PROJECT).read_text(encoding="utf-8"))["tool"]["wheelfarm"]
    suppliers = [each["recipe"] for each in settings["variants"].values() if "recipe" in each]
    found: dict[str, None] = {}
    waiting = [*map(parse_name, names), *(suppliers if names else [])]
    while waiting:
        name = waiting.pop()
        if name not in known:
            raise UsageError(f"wheelfarm has no recipe for {name!r}", hint=suggestion(name, known))
        if name not in found:
            found[name] = None
            recipe = parse_toml((farm / "recipes" / name / "recipe.toml").read_text(encoding="utf-8"))
            requires = recipe.get("requires", {})
            waiting += [each for kind in ("host", "run") for each in requires.get(kind, [])]
    return sorted(found)


def _sections(text: str, variants: Collection[str]) -> Iterator[str]:
    """The tables of wheelfarm's settings that a farm with these variants needs, with their comments."""
    for block in re.split(r"\n(?=(?:#[^\n]*\n)*\[)", text):
        header = _HEADER.search(block)
        words = header[1].split(".") if header else []
        named = words[words.index("variants") + 1] if "variants" in words else None
        if words[2:3] in (["variants"], ["defaults"]) and named in {None, *variants}:
            yield f"{block.strip()}\n\n"


def _own_requirement(wheel: Path | None) -> str:
    """The line of a lock for the wheel of wheelfarm: of a file, or of the file that pip installed here."""
    digest = sha256_of_file(wheel) if wheel else _installed_digest()
    if wheel and not wheel.name.startswith(f"wheelfarm-{__version__}-"):
        why = f"this is wheelfarm {__version__}"
        raise UsageError(f"{wheel.name} is not the wheel of this wheelfarm", why=why)
    line = f"wheelfarm=={__version__}"
    if digest:
        return f"{line} \\\n    --hash=sha256:{digest}\n"
    return f"# {line} --hash=sha256:…: complete this line with the digest of its wheel\n"


def _installed_digest() -> str | None:
    """The digest of the file that pip installed here (PEP 610); None where it comes from an index."""
    try:
        text = distribution("wheelfarm").read_text("direct_url.json")
        found: dict[str, Any] = json.loads(text or "{}").get("archive_info", {})
    except (PackageNotFoundError, ValueError):
        return None
    digest = found.get("hashes", {}).get("sha256")
    return str(digest) if digest else None


def is_pinned(requirements: str) -> bool:
    """Whether the lock that jobs of CI install has wheelfarm itself."""
    return re.search(r"^wheelfarm==", requirements, re.MULTILINE) is not None


def lay_files(root: Path, files: Mapping[str, bytes], *, dry_run: bool) -> tuple[NewFile, ...]:
    """Write the files that are not there, the settings last: until then another run begins anew.

    Raises:
        WheelhouseError: when a file cannot be written.
    """
    order = sorted(files, key=lambda path: (path == PROJECT, path))
    return tuple(_lay(root, path, files[path], dry_run=dry_run) for path in order)


def _lay(root: Path, path: str, content: bytes, *, dry_run: bool) -> NewFile:
    target = root / path
    if dry_run and not target.exists():
        return NewFile(path=path, state=FileState.MISSING)
    if not dry_run and write_new(target, content, "the farm"):
        return NewFile(path=path, state=FileState.WRITTEN)
    if target.is_file() and target.read_bytes() == content:
        return NewFile(path=path, state=FileState.SAME)
    return NewFile(path=path, state=FileState.STAYS, note=NOTES.get(path, ""))


def describe(files: Sequence[NewFile], *, dry_run: bool) -> str:
    """The result in one line."""
    written = sum(each.state in {FileState.WRITTEN, FileState.MISSING} for each in files)
    stays = sum(each.state is FileState.STAYS for each in files)
    left = f"; {counted(stays, 'file')} of yours {'stays' if stays == 1 else 'stay'}" if stays else ""
    return f"{counted(written, 'file')} {'would be ' if dry_run else ''}written{left}"
