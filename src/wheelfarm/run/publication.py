"""From a farm and the name of an index to the transaction between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from wheelfarm.errors import UsageError
from wheelfarm.index.attest import prove
from wheelfarm.index.build_tags import Numbering, renumber, shown
from wheelfarm.index.candidates import find_candidates
from wheelfarm.index.factory import open_index, path_of
from wheelfarm.index.transaction import Transaction
from wheelfarm.index.verify import Verification
from wheelfarm.model import Name, Target, parse_name
from wheelfarm.plan.graph import serves

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wheelfarm.index.candidates import Candidate
    from wheelfarm.index.comparison import Comparison
    from wheelfarm.index.protocol import Index
    from wheelfarm.index.verify import Verdict
    from wheelfarm.run.farm import Farm


def named_releases(text: str | None) -> dict[Name, str | None] | None:
    """Distributions separated by commas, each perhaps with `==` and a version; None when unsaid.

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
            raise UsageError(f"{part!r} names no package", hint="say scipy or scipy==1.17.1") from error
        if len(versions) != len(requirement.specifier) or len(versions) > 1 or requirement.extras:
            raise UsageError(f"{part!r} names no release", hint="say scipy or scipy==1.17.1")
        found[parse_name(requirement.name)] = versions[0] if versions else None
    if not found:
        raise UsageError(f"{text!r} names no package", hint="inv index.status all shows what there is")
    return found


def choose_index_name(farm: Farm, name: str | None) -> str:
    """The index that was named, or the only one that the farm has.

    Raises:
        UsageError: when there is none, or a choice.
    """
    indexes = farm.settings.indexes
    if name is None and len(indexes) == 1:
        return next(iter(indexes))
    if name is None:
        raise UsageError(
            "say which index",
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

    def __post_init__(self) -> None:
        table = self.farm.settings.choose_index(self.index_name)
        path_of(self.index_name, table, self.variant)

    @cached_property
    def index(self) -> Index:
        """The index.

        Raises:
            PublishError, NetworkError: when it cannot be used or reached.
        """
        farm = self.farm
        return open_index(
            self.index_name, farm.settings, self.variant, wheelhouse=farm.wheelhouse, say=farm.say
        )

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """What makes a release complete, if its recipe skips nothing."""
        table = self.farm.settings.choose_index(self.index_name)
        return tuple(map(Target.parse, table.targets))

    @cached_property
    def _main(self) -> Mapping[Name, Name]:
        """The recipe that a wheel is split off by, by the split's distribution."""
        entries = self.farm.recipes.by_name
        return {Name(split): name for name, recipe in entries.items() for split in recipe.table.named_splits}

    def main(self, project: Name) -> Name:
        """The distribution whose release another one belongs to: for a split, what it is split off."""
        return self._main.get(project, project)

    def members(self, project: Name) -> tuple[Name, ...]:
        """The distributions of a release by any of them; what the others are split off comes first."""
        recipe = self.farm.recipes.by_name.get(self.main(project))
        return (self.main(project), *map(Name, recipe.table.named_splits if recipe else ()))

    def needed(self, project: Name) -> Sequence[Target]:
        """What makes a release of a distribution complete: without what its recipe is not built for."""
        if project not in self.owned():
            return ()
        recipe = self.farm.recipes.by_name.get(self.main(project))
        provider = self.farm.settings.choose_variant(self.variant).provider
        return [
            target for target in self.targets if recipe is None or serves(recipe, target, provider) is None
        ]

    def owned(self) -> frozenset[Name]:
        """The farm's distributions: what it has recipes for, and what its wheelhouse lists."""
        return frozenset(self.farm.recipes.by_name).union(
            self._main, self.farm.wheelhouse.projects(self.variant)
        )

    def find_candidates(self, wanted: Mapping[Name, str | None] | None) -> tuple[Candidate, ...]:
        """The stored wheels that are in question, dependencies before dependents."""
        return find_candidates(self.farm.wheelhouse, self.variant, wanted, self.members)

    def transaction(self, wanted: Mapping[Name, str | None] | None) -> Transaction:
        """What publishes some releases and what they need of the farm, or all.

        Raises:
            FarmError: for an unknown distribution or version, or an index that cannot be used.
        """
        return Transaction(
            index=self.index,
            candidates=self.find_candidates(wanted),
            needed=self.needed,
            owned=self.owned(),
            prove=partial(prove, self.farm.wheelhouse),
            settle=self.farm.settings.choose_index(self.index_name).settle,
            say=self.farm.say,
            members=self.members,
        )

    def look(self, transaction: Transaction, *, next_build: bool = False) -> Comparison:
        """What a transaction would do; nothing is written.

        Args:
            transaction: of this publication.
            next_build: whether what conflicts gets the next build number, whoever has published the other.

        Raises:
            NetworkError, PublishError: when the index cannot be reached, or refuses.
        """
        found = transaction.look()
        return shown(found, self._numbers(found, next_build=next_build))

    def publish(self, wanted: Mapping[Name, str | None] | None, *, next_build: bool = False) -> Comparison:
        """Publish some releases, rebuilt ones under the next build number.

        Args:
            wanted: see `transaction`.
            next_build: see `look`.

        Returns:
            How all wheels stood before, under the names that they have now.

        Raises:
            FarmError: see `Transaction.publish`.
        """
        transaction = self.transaction(wanted)
        found = transaction.look()
        numbers = self._numbers(found, next_build=next_build)
        if numbers:
            # What cannot be published with numbers either is refused before there are any.
            shown(found, numbers).check(self.index_name)
            for candidate, number in numbers.items():
                self.farm.say(f"{candidate.filename} is a rebuild: build number {number}")
                renumber(self.farm.wheelhouse, candidate, number)
            return self.transaction(wanted).publish()
        return transaction.publish(found)

    def verify(self, wanted: Mapping[Name, str | None] | None) -> Iterator[Verdict]:
        """Verify wheels in the index: some releases, or all that it lists of the farm's distributions.

        Raises:
            NetworkError, PublishError: when the index cannot be reached, or refuses.
        """
        table = self.farm.settings.choose_index(self.index_name)
        verification = Verification(index=self.index, signer=table.signer, issuer=table.issuer)
        return verification.run(dict.fromkeys(self.owned()) if wanted is None else wanted)

    def _numbers(self, found: Comparison, *, next_build: bool) -> Mapping[Candidate, int]:
        return Numbering(papers=self.index.papers, main=self.main, anyway=next_build).numbers(found)
