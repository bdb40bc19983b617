"""chain --fix: the edits that failures propose, made one round after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wheelfarm.errors import FarmError, counted, proposal_of
from wheelfarm.report.fixes import fix_lines
from wheelfarm.run.last_proposal import last_proposal
from wheelfarm.run.recipe_fix import ROUNDS, plan_fix, write_fix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wheelfarm.cli.task import Invocation
    from wheelfarm.errors import Proposal
    from wheelfarm.plan.graph import Plan
    from wheelfarm.run.outcome import Outcome
    from wheelfarm.run.recipe_fix import RecipeFix


@dataclass(kw_only=True)
class Fixer:
    """Makes the edits that failures propose, none of them twice."""

    call: Invocation
    made: list[RecipeFix] = field(default_factory=list)
    rounds: int = 0

    def mend(self, outcomes: Sequence[Outcome]) -> bool:
        """Put what the failures of a run propose into the recipes; whether one was edited.

        A recipe whose edit is refused stays as it is, and the reason is printed.
        """
        screen = self.call.screen
        proposals = [each.error and proposal_of(each.error) for each in outcomes]
        wanted = _distinct(each for each in proposals if each)
        if self.rounds == ROUNDS:
            if wanted:
                screen.say(f"no further edit: {counted(ROUNDS, 'round')} did not make it build")
            return False
        self.rounds += 1
        fixes = list(self._planned(wanted))
        for fix in fixes:
            write_fix(fix)
            screen.say(f"edited {fix.proposal.where}, round {self.rounds} of {ROUNDS}:")
            screen.lines(fix_lines(fix, dry_run=False))
        self.made += fixes
        return bool(fixes)

    def planned(self, plan: Plan) -> list[RecipeFix]:
        """The edits that the last failures of a plan's builds propose; nothing is written."""
        settings = self.call.farm.settings
        proposals = (last_proposal(settings, build) for build in plan.builds)
        return list(self._planned(_distinct(each for each in proposals if each)))

    def _planned(self, proposals: Iterable[Proposal]) -> Iterator[RecipeFix]:
        # The recipes may have changed since the run began.
        farm, before = self.call.fresh().farm, {each.key for each in self.made}
        for proposal in proposals:
            try:
                fix = plan_fix(farm, proposal)
            except FarmError as error:
                self.call.screen.say(f"{proposal.where} stays as it is, since its edit is refused:")
                self.call.screen.error(error)
                continue
            if fix.key in before:
                self.call.screen.say(f"{proposal.where} stays as it is: this edit was made before")
            else:
                yield fix


def _distinct(proposals: Iterable[Proposal]) -> list[Proposal]:
    """The first proposal for each recipe: builds for several targets fail alike."""
    found: dict[str, Proposal] = {}
    for each in proposals:
        found.setdefault(each.name, each)
    return list(found.values())
