"""The base of a farm: another farm, whose recipes, variants and defaults lie below its own."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from packaging.requirements import Requirement

from wheelfarm import __version__
from wheelfarm.errors import FarmError, GroupError, SettingsError, SourceError
from wheelfarm.model import GitCommit, Name, parse_name, sha256_of_json
from wheelfarm.recipes.base_table import GitBase
from wheelfarm.recipes.farm_settings import Defaults, FarmTable
from wheelfarm.recipes.strict import parse, read_toml
from wheelfarm.sources.fetcher import Fetcher
from wheelfarm.sources.unpacking import unpack
from wheelfarm.system.files import ensure_directory, read_text, remove_tree, sha256_of_file, write_atomically
from wheelfarm.system.locks import hold_lock
from wheelfarm.system.shipped import farm_of_distribution, unpacked_farm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.recipes.variant_table import Variant

_TAKEN: Final = ("recipes", "patches", "variants", "defaults", "base")
"""Keys of `[tool.wheelfarm]` that a farm takes from its base."""
FARM: Final = "pyproject.toml: tool.wheelfarm.defaults"
_WHERE: Final = "pyproject.toml: tool.wheelfarm.base"


@dataclass(frozen=True, kw_only=True)
class BaseFarm:
    """What a farm takes from its base."""

    label: str
    """What it is and which version of it, for origins and errors."""
    root: Path
    recipes: Path
    patches: Path
    variants: Mapping[str, Variant]
    """Those that the farm does not declare itself; a lock has its directory."""
    defaults: Defaults

    def names(self) -> list[str]:
        """The names of its recipes."""
        return sorted(path.parent.name for path in self.recipes.glob("[!._]*/recipe.toml"))

    def directory(self, name: str) -> Path | None:
        """The directory of a recipe; None where there is no such recipe."""
        path = self.recipes / name
        return path if (path / "recipe.toml").is_file() else None

    @property
    def defaults_where(self) -> str:
        """Where its defaults stand, for errors and origins."""
        return f"{self.label}: {FARM}"

    def variant_where(self, name: str) -> str:
        """What precedes the file of a variant: nothing where the farm itself declares it."""
        return f"{self.label}: " if name in self.variants else ""

    def where(self, path: Path) -> str:
        """One of its files, for errors and origins."""
        return f"{self.label}: {path.relative_to(self.root).as_posix()}"

    def files(self) -> list[Path]:
        """The files that may change what the farm builds."""
        locks = [self.root / each.lock for each in self.variants.values() if each.lock]
        found = (path for directory in (self.recipes, self.patches) for path in directory.rglob("*"))
        return sorted({self.root / "pyproject.toml", *locks, *(path for path in found if path.is_file())})


@contextmanager
def explain_newer(label: str) -> Iterator[None]:
    """Say of an unknown key in the files of a base that it may be one of a newer wheelfarm."""
    try:
        yield
    except FarmError as error:
        for each in error.errors if isinstance(error, GroupError) else (error,):
            if each.what.startswith("unknown key"):
                each.why = f"{label} may be for a newer wheelfarm than this, which is {__version__}"
        raise


def read_base(table: FarmTable, *, work: Path, cache: Path, environ: Mapping[str, str]) -> BaseFarm | None:
    """The base that a farm names; None where it names none. A commit is fetched where it is not here.

    Args:
        table: the farm's settings.
        work: its directory of build directories and logs, where a commit is unpacked.
        cache: of sources.
        environ: the environment, for git.

    Raises:
        SettingsError: when it is not installed or is another version, is no farm, or has a base itself.
        SourceError: when the repository does not have the commit.
        NetworkError: when the commit is not in the cache and cannot be fetched.
    """
    if isinstance(table.base, GitBase):
        fetcher = Fetcher(
            cache=cache,
            index_url=None,
            offline=table.offline,
            environ=environ,
            limits=table.limits.values(),
            mirrors=table.mirrors,
        )
        farm = _read_commit(table.base, fetcher, work)
    elif table.base is not None:
        farm = _read_distribution(Requirement(table.base))
    else:
        return None
    variants = {name: each for name, each in farm.variants.items() if name not in table.variants}
    return replace(farm, variants=variants)


def _read_distribution(wanted: Requirement) -> BaseFarm:
    name = parse_name(wanted.name)
    try:
        root = farm_of_distribution(name)
        found = __version__ if name == "wheelfarm" else version(name)
    except PackageNotFoundError:
        what, hint = f"the base {name} is not installed", f"python3 -m pip install '{wanted}'"
        raise SettingsError(what, where=_WHERE, hint=hint) from None
    if not wanted.specifier.contains(found, prereleases=True):
        raise SettingsError(
            f"the base is {name} {found}, and {wanted} is wanted",
            where=_WHERE,
            hint=f"python3 -m pip install '{wanted}'; or take {found}, and see what changes: inv plan all",
        )
    if root is None:
        why = "a farm is the files of <package>/farm/ in it, with its pyproject.toml and recipes"
        raise SettingsError(f"{name} {found} brings no farm along", where=_WHERE, why=why)
    return _read_farm(root, f"{name} {found}")


def base_source(base: GitBase) -> tuple[Name, GitCommit]:
    """The name and the commit by which a fetcher has the archive of a base."""
    commit = base.commit.lower()
    return Name("base"), GitCommit(version=commit, url=base.git, commit=commit, submodules=False)


def _read_commit(base: GitBase, fetcher: Fetcher, work: Path) -> BaseFarm:
    commit = base.commit.lower()
    root = unpacked_farm(work, commit)
    into, digest = root.parent, root.parent.with_suffix(".sha256")
    name = PurePosixPath(urlsplit(base.git).path).name.removesuffix(".git")
    ensure_directory(into.parent)
    with hold_lock(into.with_suffix(".lock")):
        if not digest.is_file():
            remove_tree(into)
            try:
                fetched = fetcher.source(*base_source(base))
            except SourceError as error:
                error.hint = f"name a commit that the repository has, in {_WHERE}"
                raise
            unpack(fetched, into, fetcher.limits)
        farm = _read_farm(root, f"{name}@{commit[:12]}")
        files = {path.relative_to(root).as_posix(): sha256_of_file(path) for path in farm.files()}
        found = sha256_of_json(files)
        if not digest.is_file():
            write_atomically(digest, found.encode(), "the base")
        elif read_text(digest, SettingsError) != found:
            raise SettingsError(
                "the files of the base have changed since they were unpacked",
                where=str(root),
                why=f"{_WHERE} names a commit, and these are not its files",
                hint=f"lay your changes over it, in recipes/ of this farm; rm -r {into} {digest} "
                "unpacks the commit again",
            )
    return farm


def _read_farm(root: Path, label: str) -> BaseFarm:
    where = f"{label}: pyproject.toml"
    if not (root / "pyproject.toml").is_file():
        raise SettingsError(f"the base {label} is no farm", where=_WHERE, why="it has no pyproject.toml")
    tool: Any = read_toml(root / "pyproject.toml", error=SettingsError).get("tool", {})
    own = tool.get("wheelfarm", {}) if isinstance(tool, dict) else {}
    taken = {key: own[key] for key in _TAKEN if key in own} if isinstance(own, dict) else {}
    if "base" in taken:
        raise SettingsError(
            f"the base {label} has a base itself",
            where=_WHERE,
            why=f"{where} says base = {taken['base']!r}, and a farm has one base",
            hint="take that one as the base, and lay the recipes of both farms over it here",
        )
    with explain_newer(label):
        table = parse(FarmTable, taken, where=f"{where}: tool.wheelfarm", error=SettingsError)
    paths = {"recipes": table.recipes, "patches": table.patches}
    paths |= {f"variants.{name}.lock": Path(each.lock) for name, each in table.variants.items() if each.lock}
    for key, path in paths.items():
        if not (root / path).resolve().is_relative_to(root.resolve()):
            raise SettingsError(
                f"{path} leads out of the base {label}", where=f"{where}: tool.wheelfarm.{key}"
            )
    if not (root / table.recipes).is_dir():
        raise SettingsError(
            f"the base {label} has no recipes", where=_WHERE, why=f"there is no {table.recipes}/"
        )
    variants = {
        name: each.model_copy(update={"lock": str(root / each.lock)}) if each.lock else each
        for name, each in table.variants.items()
    }
    return BaseFarm(
        label=label,
        root=root,
        recipes=root / table.recipes,
        patches=root / table.patches,
        variants=variants,
        defaults=table.defaults,
    )
