"""Makes the files of a patch series of the commits of a patch tree, and says what changes in the farm."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.errors import Collector, PatchError
from wheelfarm.model import Target, sha256_of_bytes
from wheelfarm.recipes.overlay_text import edit_appended_patches
from wheelfarm.recipes.recipe_text import edit_recipe
from wheelfarm.sources.patch_header import commit_message, file_name, header_text, read_message, title_of
from wheelfarm.sources.patches import begins_diff, check_header, header_and_diff, read_hunks
from wheelfarm.system.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wheelfarm.run.patch_tree import PatchTree, TreeSource, TreeState
    from wheelfarm.sources.work_tree import GitTree


@dataclass(frozen=True, kw_only=True)
class SavePlan:
    """What a save writes."""

    series: Mapping[str, bytes]
    """The files of the tree's series in their order, with their content."""
    written: Mapping[str, str]
    """The files that change → new or changed."""
    removed: tuple[str, ...]
    recipe: bytes | None
    """The new recipe.toml; None where it stays."""
    source: TreeSource
    messages: tuple[tuple[str, str], ...]
    """Each commit, and its message with the file that it is."""
    warnings: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        return bool(self.written or self.removed or self.recipe is not None)


def plan_save(tree: PatchTree) -> SavePlan:
    """What a save of the commits would write; see `save` for the errors."""
    state = tree.state()
    with tempfile.TemporaryDirectory(prefix="save-", dir=tree.git.git_dir) as scratch:
        return _Series(tree, state, Path(scratch)).plan()


@dataclass(frozen=True)
class _Commit:
    """A commit, with what its message says."""

    id: str
    names: list[str]
    header: str

    def __str__(self) -> str:
        return f"commit {self.id[:10]} ({title_of(self.header)})"


@dataclass(frozen=True)
class _Series:
    tree: PatchTree
    state: TreeState
    scratch: Path

    @property
    def git(self) -> GitTree:
        return self.tree.git

    @cached_property
    def root(self) -> str:
        return self.git.root()

    @cached_property
    def commits(self) -> tuple[str, ...]:
        return self.git.commits(self.root)

    @cached_property
    def source(self) -> TreeSource:
        if self.root not in self.state.sources:
            raise self.git.error(
                "the first commit of the patch tree is not the source any more",
                why=f"it is {self.root[:10]}, and the source is {next(iter(self.state.sources))[:10]}",
                hint="undo that: git reflog lists the earlier commits",
            )
        return self.state.sources[self.root]

    def plan(self) -> SavePlan:
        recipe, state = self.tree.recipe, self.state
        series, messages = self._contents()
        self._check_unchanged(series)
        old = [patch.file for patch in recipe.table.patches]
        # What a killed save has listed already is no patch of another variant.
        files = merge_lists(old, set(state.files) | series.keys(), list(series))
        path = recipe.directory / "recipe.toml"
        # Not as text, which would change the ends of lines.
        before = path.read_bytes() if path.is_file() or recipe.base is None else b""
        pins = {tuple(key.split(".")): value for key, value in self._pins().items()}
        if recipe.base is None:
            after = edit_recipe(before.decode(), files=files, pins=pins, where=recipe.where)
        else:
            after = edit_appended_patches(before.decode(), listed=old, files=files, where=recipe.own_where)
        return SavePlan(
            series=series,
            written={
                file: "changed" if file in state.files else "new"
                for file in series
                if self._differs(file, series)
            },
            removed=tuple(
                file for file in state.files if file not in series and (recipe.patches / file).exists()
            ),
            recipe=None if after.encode() == before else after.encode(),
            source=self.source,
            messages=tuple(messages),
            warnings=tuple(self._excluded(series)),
        )

    def _differs(self, file: str, series: Mapping[str, bytes]) -> bool:
        path = self.tree.recipe.patch_file(file)
        return not path.is_file() or path.read_bytes() != series[file]

    def _contents(self) -> tuple[dict[str, bytes], list[tuple[str, str]]]:
        """The content of each file of the series, and the message that each commit should have."""
        problems, parent = Collector(), self.root
        series, messages = dict[str, bytes](), list[tuple[str, str]]()
        commits = [_Commit(commit, *read_message(self.git.message(commit))) for commit in self.commits]
        claimed = {name for commit in commits for name in commit.names}
        for commit in commits:
            with problems.collect():
                file, content = self._patch(commit, parent, series, claimed)
                series[file] = content
                messages.append((commit.id, commit_message(commit.header.encode(), file)))
            parent = commit.id
        problems.check()
        return series, messages

    def _patch(
        self, commit: _Commit, parent: str, before: Mapping[str, bytes], claimed: set[str]
    ) -> tuple[str, bytes]:
        """The file that a commit is, and its content."""
        reword = f"git -C {self.git.path} rebase -i {self.root[:10]}, and `reword` it"
        if unknown := [name for name in commit.names if name not in self.state.files]:
            why = f"the series has {', '.join(self.state.files) or 'no patch'}"
            what = f"{commit} says Patch-File: {unknown[0]}"
            raise self.git.error(what, why=why, hint=f"take the line out: {reword}")
        if begins_diff(commit.header):
            what = f"{commit} has a line in its message that reads as the beginning of a diff"
            raise self.git.error(what, hint=f"indent the line: {reword}")
        known = commit.names[0] if commit.names else self._same_patch(commit, parent, claimed)
        if known in before:
            what = f"{commit} is the second one for {known}"
            raise self.git.error(
                what, hint=f"take its line Patch-File: out, for a patch of its own: {reword}"
            )
        content = self._content(commit.id, parent, known, commit.header)
        file = known or self._new_name(title_of(commit.header), content, before)
        path = self.scratch / Path(file).name
        path.write_bytes(content)
        try:
            check_header(path)
            read_hunks(path)
        except PatchError as problem:
            what = problem.what.replace(path.name, str(commit), 1)
            drop = f"git -C {self.git.path} rebase -i {self.root[:10]}, and `drop` it"
            hint = drop if "changes nothing" in what else reword
            raise self.git.error(what, why=problem.why, hint=hint) from problem
        if not self.git.makes(path, parent, commit.id):
            raise self.git.error(f"no patch makes what {commit} changes")
        return file, content

    def _same_patch(self, commit: _Commit, parent: str, claimed: set[str]) -> str | None:
        """The file of a commit that does not name it: by title or change."""
        for file in self.state.files:
            path = self.tree.recipe.patch_file(file)
            if file not in claimed and path.is_file():
                header, _ = header_and_diff(path)
                same_title = title_of(header_text(header)) == title_of(commit.header)
                if same_title or self.git.makes(path, parent, commit.id):
                    claimed.add(file)
                    return file
        return None

    def _content(self, commit: str, parent: str, file: str | None, header: str) -> bytes:
        """The old file where its diff and header say the same, else what of it does."""
        path = self.tree.recipe.patch_file(file) if file else None
        old_header, old_diff = header_and_diff(path) if path and path.is_file() else (b"", b"")
        same_diff = path is not None and bool(old_diff) and self.git.makes(path, parent, commit)
        diff = old_diff if same_diff else self.git.diff(parent, commit)
        # A summary of the changed files in it is only right for the old diff.
        same_header = header_text(old_header) == header and (same_diff or b"\n---" not in old_header)
        return (old_header if same_header and old_header else f"{header}\n\n".encode()) + diff

    def _new_name(self, title: str, content: bytes, before: Mapping[str, bytes]) -> str:
        """A free name; or that of a file with this content, which a killed save has left."""
        directory, known = self.tree.recipe.patches, {patch.file for patch in self.tree.recipe.table.patches}
        present = sorted(directory.glob("*.patch"))
        for path in present:
            if path.name not in {*self.state.files, *before} and path.read_bytes() == content:
                return path.name
        numbers = [
            int(name[:4])
            for name in {*known, *before, *(path.name for path in present)}
            if name[:4].isdigit()
        ]
        return file_name(title, max(numbers, default=0) + 1)

    def _check_unchanged(self, series: Mapping[str, bytes]) -> None:
        """Refuse to write over what somebody has changed since the tree was made."""
        recipe, state = self.tree.recipe, self.state
        changed = list(self._changed_files(series))
        names = {patch.file for patch in recipe.table.patches}
        changed += [
            f"{file} is no more in {recipe.where}"
            for file in series
            if file in state.files and file not in names
        ]
        target = Target.parse(state.target)
        applied = map(self.tree.file_of, self.tree.series(state.variant, target, self.source.version))
        changed += [
            f"{file} is new in {recipe.where}"
            for file in applied
            if file not in state.files and file not in series
        ]
        if recipe.table.version not in {state.version, self.source.version}:
            changed.append(
                f"the recipe is for {recipe.table.version}, and the tree for {self.source.version}"
            )
        elif recipe.table.version == self.source.version and not self._pins_match():
            changed.append(f"the recipe pins another source of {self.source.version}")
        if changed:
            name = recipe.name
            raise self.git.error(
                f"the patches of {name} have changed since the tree was made",
                why="\n".join(changed),
                hint=f"take your commits to a new tree: git -C {self.git.path} format-patch {self.root[:10]} "
                f"--output-directory=<directory>, then inv patch.start {name} --discard, and git am",
            )

    def _changed_files(self, series: Mapping[str, bytes]) -> Iterator[str]:
        for file, digest in self.state.files.items():
            path = self.tree.recipe.patch_file(file)
            found = sha256_of_file(path) if path.is_file() else None
            after = sha256_of_bytes(series[file]) if file in series else None
            if found not in {digest, after}:
                yield f"{file} {'has other bytes' if found else 'is gone'}"
        for file, content in series.items():
            path = self.tree.recipe.patch_file(file)
            if file not in self.state.files and path.is_file() and path.read_bytes() != content:
                yield f"{file} exists already"

    def _pins(self) -> dict[str, str]:
        """What the recipe has to say of the tree's source; nothing where it says so."""
        if self.tree.recipe.table.version == self.source.version and self._pins_match():
            return {}
        return {"version": self.source.version, **self.source.pins}

    def _pins_match(self) -> bool:
        said = self.tree.recipe.table.source.model_dump(by_alias=True)
        return all(said.get(key.removeprefix("source.")) == value for key, value in self.source.pins.items())

    def _excluded(self, series: Mapping[str, bytes]) -> Iterator[str]:
        version = self.source.version
        for patch in self.tree.recipe.table.patches:
            if patch.file in series and not patch.is_for(version):
                yield f'{patch.file}: its versions = "{patch.versions}" exclude {version}: widen them'


def merge_lists(old: Sequence[str], of_tree: set[str], series: Sequence[str]) -> list[str]:
    """The new list of a recipe: the patches of other variants stay behind the one that they stood behind."""
    behind: dict[str | None, list[str]] = {}
    last = None
    for file in old:
        if file in of_tree:
            last = file if file in series else last
        else:
            behind.setdefault(last, []).append(file)
    merged = behind.pop(None, [])
    for file in series:
        merged += [file, *behind.get(file, [])]
    return merged
