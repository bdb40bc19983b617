"""Publish the wheels of a farm to one of its indexes, compare them, and verify what the index has."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from wheelfarm.errors import UsageError
from wheelfarm.index.build_tags import Tagger, build_tag, short_key
from wheelfarm.index.candidates import Candidate, attest, find_candidates, verify_candidate
from wheelfarm.index.comparison import ReleaseRules
from wheelfarm.index.factory import open_index, open_key_signer, path_of, required_signers
from wheelfarm.index.sign_again import sign_again
from wheelfarm.index.transaction import Transaction
from wheelfarm.index.verify import verify_index
from wheelfarm.model import Name, Target, parse_name
from wheelfarm.plan.graph import find_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from wheelfarm.index.build_tags import BuildSlot
    from wheelfarm.index.comparison import Comparison
    from wheelfarm.index.protocol import IndexProtocol, ListedFile
    from wheelfarm.index.sign_again import SigningResult
    from wheelfarm.index.verify import Verdict
    from wheelfarm.recipes.index_table import IndexTable
    from wheelfarm.run.farm import Farm


def named_releases(text: str | None) -> dict[Name, str | None] | None:
    """Parse distributions separated by commas, each perhaps with `==` and a version; None for None.

    Raises:
        UsageError: for anything else.
    """
    if text is None:
        return None
    found: dict[Name, str | None] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        try:
            requirement = Requirement(part)
            versions = [each.version for each in requirement.specifier if each.operator == "=="]
        except InvalidRequirement as error:
            raise UsageError(f"{part!r} is not a package", hint="write scipy or scipy==1.17.1") from error
        if len(versions) != len(requirement.specifier) or len(versions) > 1 or requirement.extras:
            raise UsageError(f"{part!r} is not a release", hint="write scipy or scipy==1.17.1")
        found[parse_name(requirement.name)] = versions[0] if versions else None
    if not found:
        raise UsageError(f"{text!r} is not a package", hint="inv index.status all lists the packages")
    return found


def choose_index_name(farm: Farm, name: str | None) -> str:
    """The index of that name, or the only one of the farm.

    Raises:
        UsageError: when there is none, or several without a name.
    """
    indexes = farm.settings.indexes
    if name is None and len(indexes) == 1:
        return next(iter(indexes))
    if name is None:
        raise UsageError(
            "name an index",
            where="pyproject.toml: tool.wheelfarm.index",
            hint=f"--index {'|'.join(indexes)}" if indexes else "add [tool.wheelfarm.index.<name>]",
        )
    farm.settings.choose_index(name)
    return name


@dataclass(frozen=True, kw_only=True)
class Publication:
    """The wheels of one variant, and an index."""

    farm: Farm
    index_name: str
    variant: str
    directory: Path | None = None
    """Where the wheels under their published names stay for attestation; else they are temporary."""
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        path_of(self.index_name, self._table, self.variant)

    @property
    def _table(self) -> IndexTable:
        return self.farm.settings.choose_index(self.index_name)

    @cached_property
    def index(self) -> IndexProtocol:
        farm = self.farm
        return open_index(self.index_name, farm.settings, self.variant, wheelhouse=farm.wheelhouse)

    @cached_property
    def _main(self) -> Mapping[Name, Name]:
        """The recipe of each split, by the split's distribution."""
        recipes = self.farm.recipes.by_name
        return {Name(split): name for name, recipe in recipes.items() for split in recipe.table.named_splits}

    def members(self, project: Name) -> tuple[Name, ...]:
        """The distributions of a release by any of them: the recipe's own, then its splits."""
        main = self._main.get(project, project)
        recipe = self.farm.recipes.by_name.get(main)
        return (main, *map(Name, recipe.table.named_splits if recipe else ()))

    def needed(self, project: Name) -> Sequence[Target]:
        """The targets of a complete release: those of the index that its recipe supports."""
        if project not in self.owned:
            return ()
        recipe = self.farm.recipes.by_name.get(self.members(project)[0])
        return [
            target
            for target in self._targets
            if recipe is None or find_refusal(recipe, target, self.variant) is None
        ]

    @cached_property
    def _targets(self) -> Sequence[Target]:
        return tuple(map(Target.parse, self._table.targets))

    @cached_property
    def owned(self) -> frozenset[Name]:
        """The farm's distributions: those of its recipes, and those in its wheelhouse."""
        projects = self.farm.wheelhouse.projects(self.variant)
        return frozenset(self.farm.recipes.by_name).union(self._main, projects)

    def _open_directory(self) -> AbstractContextManager[Path | str]:
        """Where the wheels get their published names."""
        if self.directory is not None:
            self.directory.mkdir(parents=True, exist_ok=True)
            return nullcontext(self.directory)
        work = self.farm.settings.work
        work.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix="publish-", dir=work)

    def _tagger(self, directory: Path | str) -> Tagger:
        farm = self.farm
        return Tagger(farm.wheelhouse, Path(directory), farm.settings.work / "published.json")

    @contextmanager
    def _transaction(
        self, wanted: Mapping[Name, str | None] | None, *, next_build: bool = False
    ) -> Iterator[Transaction]:
        """The transaction that publishes some releases and what they need of the farm, or all."""
        farm = self.farm
        with self._open_directory() as directory:
            tagger = self._tagger(directory)
            yield Transaction(
                index=self.index,
                candidates=find_candidates(
                    farm.wheelhouse,
                    self.variant,
                    wanted,
                    self.members,
                    development=self._table.development,
                ),
                tagger=tagger,
                rules=ReleaseRules(needed=self.needed, owned=self.owned, members=self.members),
                timeout=self._table.listing_timeout,
                sleep=self.sleep,
                next_build=next_build,
            )
            tagger.remember()

    def compare(
        self, wanted: Mapping[Name, str | None] | None = None, *, next_build: bool = False
    ) -> Comparison:
        """Compare stored wheels with the index; nothing is written there.

        Args:
            wanted: releases, compared with what they need of the farm; None for the newest of all.
            next_build: give conflicting wheels the next build number.
        """
        with self._transaction(wanted, next_build=next_build) as transaction:
            return transaction.compare()

    def check(self, comparison: Comparison) -> None:
        """Raise if publishing what was compared would fail; see `Transaction.publish`."""
        comparison.check(self.index_name)
        self._refuse_development([each.candidate for each in comparison.differences if each.candidate])
        for each in comparison.to_upload:
            if each.candidate is not None:
                verify_candidate(self.farm.wheelhouse, each.candidate)

    def prepare(self) -> Comparison:
        """Write the wheels that the index lacks under their published names into `directory`."""
        with self._transaction(None) as transaction:
            return transaction.prepare()

    def publish(
        self, wanted: Mapping[Name, str | None] | None = None, *, next_build: bool = False
    ) -> Comparison:
        """Publish some releases, and return the states of all wheels before; see `compare`."""
        with self._transaction(wanted, next_build=next_build) as transaction:
            self._refuse_development(transaction.candidates)
            return transaction.publish()

    def _refuse_development(self, candidates: Iterable[Candidate]) -> None:
        """Raise for development versions, such as those of nightlies, that the index does not take."""
        names = [each.filename for each in candidates if Version(each.version).is_devrelease]
        if names and not self._table.development:
            raise UsageError(
                f"{self.index_name} takes no development versions",
                where=f"tool.wheelfarm.index.{self.index_name}",
                why=", ".join(names),
                hint="publish them to an index whose table says development = true",
            )

    def verify(
        self, wanted: Mapping[Name, str | None] | None, *, signer: str | None = None
    ) -> Iterator[Verdict]:
        """Verify wheels in the index: some releases, or all that it lists of the farm's distributions.

        Args:
            wanted: the releases; None for all.
            signer: who must have signed; None for who is in the settings. See `required_signers`.
        """
        releases = dict.fromkeys(self.owned) if wanted is None else wanted
        return verify_index(
            self.index,
            releases,
            signers=required_signers(self.farm.settings, self.index_name, signer),
            limits=self.farm.settings.limits.values(),
        )

    def check_key(self) -> None:
        """Raise what is wrong with the key that would sign, where the index has one."""
        if self._table.sign_key:
            open_key_signer(self.index_name, self.farm.settings).check()

    def sign_again(
        self, wanted: Mapping[Name, str | None] | None, *, writes: bool
    ) -> Iterator[SigningResult]:
        """Sign the statements of published wheels with the first key of the site; see `sign_again`.

        Args:
            wanted: the releases; None for all.
            writes: whether the signatures are written.
        """
        signer = open_key_signer(self.index_name, self.farm.settings)
        with self._open_directory() as directory:
            tagger = self._tagger(directory)
            yield from sign_again(
                self.index,
                dict.fromkeys(self.owned) if wanted is None else wanted,
                signers=required_signers(self.farm.settings, self.index_name),
                make_statement=partial(self._make_statement, tagger),
                sign=signer.sign if writes else None,
            )

    def _make_statement(
        self, tagger: Tagger, project: Name, listed: ListedFile, slot: BuildSlot
    ) -> str | None:
        """Make the statement of a listed wheel that was made of a stored one; None for another wheel.

        Raises:
            UnprovenError: when the stored wheel is not the one that passed the gate.
        """
        wheelhouse, variant = self.farm.wheelhouse, self.variant
        for file in wheelhouse.listed(variant, project):
            if slot.short_key == short_key(file.key):
                path = wheelhouse.wheel_path(variant, file)
                stored = Candidate(project=project, variant=variant, file=file, path=path)
                tagged = tagger.tag(stored, build_tag(slot.number, file.key))
                if tagged.sha256 == listed.sha256:
                    return attest(wheelhouse, lambda _text: "", None, tagged).statement
        return None
