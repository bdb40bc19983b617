"""A patch tree: the source of a recipe as a git tree, with its patch series as commits.

It is `<work>/patches/<name>`. Its first commit is the source, without the files that the recipe removes. Each
further commit is a patch, and its message is the header of that patch.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from wheelfarm.errors import PatchError, UsageError
from wheelfarm.model import Archive, GitCommit, Target, parse_name
from wheelfarm.recipes.recipe_set import load_recipe
from wheelfarm.recipes.source_table import WheelSource
from wheelfarm.recipes.source_tree import remove_files
from wheelfarm.recipes.strict import suggestion
from wheelfarm.sources.patch_header import TEMPLATE, commit_message
from wheelfarm.sources.patches import apply, header_and_diff
from wheelfarm.sources.unpacking import check_pkg_info, unpack
from wheelfarm.sources.work_tree import BRANCH, GitTree, refuse_repository
from wheelfarm.system.files import ensure_directory, remove_tree, sha256_of_file, write_atomically
from wheelfarm.system.locks import LockTimeoutError, hold_lock
from wheelfarm.system.logs import get_logger
from wheelfarm.system.machine import native_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wheelfarm.model import Source
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.sources.fetcher import Fetcher

logger = get_logger(__name__)

PATCHES: Final = "patches"
"""The directory of the patch trees, in the work directory."""
_STATE: Final = "wheelfarm.json"
_DRAFT: Final = ".draft-"


class TreeSource(BaseModel):
    """What the first commit of a patch tree is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    pins: dict[str, str]
    """Key path in the recipe, such as source.sha256 → its value for this source."""


class TreeState(BaseModel):
    """What a patch tree was made from; a file in its git directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: str
    target: str
    version: str
    """Of the recipe, when the tree was made or last saved."""
    files: dict[str, str]
    """The files of the series in their order, each with its sha256 when the tree was made or last saved."""
    sources: dict[str, TreeSource]
    """First commit → the source in it; a rebase adds one."""


def pins_of(source: Source) -> dict[str, str]:
    """The keys of the recipe that pin a source, with their values."""
    match source:
        case GitCommit():
            return {"source.commit": source.commit}
        case Archive():
            return {"source.url": source.url, "source.sha256": source.sha256}
        case _:
            return {"source.sha256": source.sha256}


def find_recipe(settings: Settings, name: str) -> LoadedRecipe:
    """A recipe of the farm, also where its patches are wrong.

    Raises:
        UsageError: when there is none of that name.
        RecipeError: when recipe.toml cannot be read.
    """
    names = {path.parent.name for path in settings.recipes.glob("*/recipe.toml")}
    names.update(settings.base_farm.names() if settings.base_farm else ())
    if parse_name(name) not in names:
        hint = suggestion(name, names)
        raise UsageError(f"there is no recipe for {name!r}", where=str(settings.recipes), hint=hint)
    return load_recipe(settings.recipes / parse_name(name), settings)


@dataclass(frozen=True)
class PatchTree:
    """The patch tree of a recipe, which exists or not."""

    settings: Settings
    recipe: LoadedRecipe
    fetcher: Fetcher

    @property
    def path(self) -> Path:
        return self.settings.work / PATCHES / self.recipe.name

    @property
    def git(self) -> GitTree:
        return GitTree(self.path, self.settings.environ)

    @property
    def exists(self) -> bool:
        return self.path.is_dir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the tree.

        Raises:
            PatchError: when another run holds it.
        """
        ensure_directory(self.path.parent)
        lock = self.path.with_name(f"{self.path.name}.lock")
        try:
            with hold_lock(lock, timeout=0):
                yield
        except LockTimeoutError:
            what = f"another run works on the patches of {self.recipe.name}"
            raise PatchError(
                what, where=str(self.path), hint="wait until it ends, and run this again"
            ) from None

    def check_patchable(self) -> None:
        """Refuse a recipe without a source of its own.

        Raises:
            PatchError: when the recipe takes over a public wheel.
        """
        if isinstance(self.recipe.table.source, WheelSource):
            raise PatchError(
                f"{self.recipe.name} has no source to patch",
                where=f"{self.recipe.where}: source.kind",
                why="the recipe takes over a public wheel, and builds nothing",
                hint='build it from its source: source.kind = "sdist"',
            )

    def target(self) -> Target:
        """What the series is for.

        Raises:
            UsageError: for several platforms.
        """
        python, platforms = self.settings.pythons[0], self.settings.platforms
        if len(platforms) > 1:
            why = f"{', '.join(platforms)} are chosen"
            raise UsageError("a patch tree is for one platform", where="--platform", why=why)
        return Target.parse(f"{python.tag}-{platforms[0]}") if platforms else native_target(python)

    def state(self) -> TreeState:
        """What the tree was made from.

        Raises:
            PatchError: when there is no tree, or it is not one of the farm's.
        """
        if not self.exists:
            what = f"there is no patch tree of {self.recipe.name}"
            raise PatchError(what, where=str(self.path), hint=f"inv patch.start {self.recipe.name}")
        try:
            return TreeState.model_validate_json((self.git.git_dir / _STATE).read_bytes())
        except (OSError, ValidationError) as problem:
            why = problem.strerror if isinstance(problem, OSError) else str(problem.errors()[0]["msg"])
            hint = f"copy what you need, then: inv patch.start {self.recipe.name} --discard"
            raise self.git.error("this is no patch tree of the farm", why=why, hint=hint) from problem

    def write_state(self, state: TreeState, tree: Path | None = None) -> None:
        """Write what the tree was made from."""
        path = (tree or self.path) / ".git" / _STATE
        write_atomically(path, state.model_dump_json(indent=1).encode() + b"\n", "the patch tree")

    def series(self, variant: str, target: Target, version: str | None = None) -> tuple[Path, ...]:
        """The patches for a variant, and for a version that need not be the recipe's."""
        recipe = self.recipe
        if version is not None:
            recipe = replace(recipe, table=recipe.table.model_copy(update={"version": version}))
        return recipe.series(variant=variant, target=target)

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A directory beside the tree, for what is made step by step; only under the lock."""
        prefix = f"{_DRAFT}{self.recipe.name}-"
        for left in self.path.parent.glob(f"{prefix}*"):
            remove_tree(left)
        draft = Path(tempfile.mkdtemp(prefix=prefix, dir=self.path.parent))
        try:
            yield draft
        finally:
            remove_tree(draft)

    def unpack(self, source: Source, draft: Path) -> Path:
        """Fetch a source and unpack it, without the files that the recipe removes.

        Raises:
            FarmError: when it cannot be fetched, or is not what it should be.
        """
        table = self.recipe.table.source
        fetched = self.fetcher.source(self.recipe.name, source)
        tree = unpack(fetched, draft / "unpacked", self.fetcher.limits)
        check_pkg_info(fetched, tree)
        for glob in () if isinstance(table, WheelSource) else remove_files(table.remove, tree):
            logger.warning(
                "%s: source.remove: %r matches no file of %s", self.recipe.where, glob, source.version
            )
        refuse_repository(tree)
        return tree

    def make(self, source: Source) -> TreeState:
        """Make the tree in the place of another one; it appears when all is in it. Only under the lock.

        Raises:
            PatchError: when a patch does not apply exactly.
            FarmError: when the source cannot be fetched.
        """
        variant, target = self.settings.variant, self.target()
        with self.draft() as draft:
            tree = self.unpack(source, draft)
            git = GitTree(tree, self.settings.environ)
            git.create(TEMPLATE)
            root = commit = git.commit_all(source_message(self.recipe, source))
            series = self.series(variant, target, source.version)
            for patch in series:
                apply(tree, [patch], recipe=self.recipe.name, environ=self.settings.environ)
                message = commit_message(header_and_diff(patch)[0], self.file_of(patch))
                commit = git.commit_all(message, parent=commit)
            git.git("update-ref", f"refs/heads/{BRANCH}", commit)
            git.git("update-ref", source_tag(source.version), root)
            git.git("reset", "--quiet")
            state = TreeState(
                variant=variant,
                target=target.identifier,
                version=self.recipe.table.version,
                files={self.file_of(patch): sha256_of_file(patch) for patch in series},
                sources={root: TreeSource(version=source.version, pins=pins_of(source))},
            )
            self.write_state(state, tree)
            if self.exists:
                remove_tree(self.path)
            tree.rename(self.path)
        return state

    def file_of(self, patch: Path) -> str:
        """A patch as the recipe names it."""
        base = self.recipe.base
        below = base.patches if base and not patch.is_relative_to(self.recipe.patches) else None
        return patch.relative_to(below or self.recipe.patches).as_posix()

    def refuse_uncommitted(self) -> None:
        """Refuse a tree with files that no commit has.

        Raises:
            PatchError: when there are some.
        """
        if changes := self.git.changes():
            hint = f"commit them: git -C {self.path} commit"
            raise self.git.error(
                "the patch tree has files that are not committed", why=listed(changes), hint=hint
            )

    def refuse_unfinished(self) -> None:
        """Refuse a tree in which an operation of git has stopped.

        Raises:
            PatchError: with the commands that go on and go back.
        """
        operation = self.git.unfinished()
        if operation == "rebase":
            raise self.git.error("the patch tree has a half-finished rebase", hint=rebase_hint(self))
        if operation is not None:
            command = f"git -C {self.path} {operation}"
            hint = f"{command} --continue, or {command} --abort"
            raise self.git.error(f"the patch tree has a half-finished {operation}", hint=hint)


def source_tag(version: str) -> str:
    """The tag of the first commit, for `git rebase -i source-1.0`."""
    return f"refs/tags/source-{version}"


def source_message(recipe: LoadedRecipe, source: Source) -> str:
    """The message of the first commit."""
    return f"{recipe.name} {source.version}\n\nThe source, without what {recipe.where} removes.\n"


def rebase_hint(tree: PatchTree) -> str:
    """The commands for a rebase that has stopped."""
    command = f"inv patch.rebase {tree.recipe.name}"
    return "\n".join(
        (
            f"edit the files in {tree.path}, and `git add` each",
            f"then {command} --continue",
            f"{command} --skip leaves this patch out",
            f"{command} --abort goes back to where it began",
        )
    )


def listed(lines: Sequence[str], most: int = 10) -> str:
    """The first lines of a list, and how many more there are."""
    more = [f"and {len(lines) - most} more"] if len(lines) > most else []
    return "\n".join([*lines[:most], *more])
