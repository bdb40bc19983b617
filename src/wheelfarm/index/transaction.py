"""Publishing as a transaction: look, tell what differs, act, look again, fail unless all is there."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import NetworkError, PublishError
from wheelfarm.index.comparison import Comparison, State, alone, compare
from wheelfarm.index.protocol import UploadFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from wheelfarm.errors import FarmError
    from wheelfarm.index.candidates import Candidate
    from wheelfarm.index.comparison import Members, Needed
    from wheelfarm.index.protocol import Index
    from wheelfarm.model import Name

_TRIES: Final = 5
"""Attempts in a row that bring nothing forward."""
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_SECOND_LOOK: Final = 1.0
"""Seconds after which a conflict is looked at again: it may have been a file on its way."""


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """The candidates of a farm on their way to an index.

    Args:
        index: where to.
        candidates: the wheels, dependencies before dependents.
        needed: what makes a release complete.
        owned: the farm's distributions.
        prove: raises when a wheel is not the one that passed the gate.
        settle: seconds that the index may take to list what it has accepted.
        say: hears what is going on.
        sleep: waits for some seconds.
        members: what belongs to a release.
    """

    index: Index
    candidates: Sequence[Candidate]
    needed: Needed
    owned: Collection[Name]
    prove: Callable[[Candidate], None]
    settle: float
    say: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    members: Members = alone

    def differ(self) -> Comparison:
        """Look at the index, and compare; nothing is written.

        Raises:
            NetworkError: when the index cannot be reached.
            PublishError: when it refuses, or lists nothing that can be read.
        """
        projects = {candidate.project for candidate in self.candidates}
        asked = projects | {
            name for candidate in self.candidates for name in candidate.requires if name in self.owned
        }
        listing = self.index.look(sorted(asked), {candidate.filename for candidate in self.candidates})
        found = compare(self.candidates, listing, needed=self.needed, owned=self.owned, members=self.members)
        # What was looked at for the sake of requirements alone is not in question.
        return Comparison(tuple(each for each in found.differences if each.project in projects))

    def publish(self, found: Comparison | None = None) -> Comparison:
        """Bring the index to hold all candidates, or refuse before the first byte.

        Args:
            found: what a look at the index has just shown, if there was one.

        Returns:
            How all wheels stood before; what was to upload is there now.

        Raises:
            ConflictError, IncompleteError: when something may not be published as it is.
            UnprovenError: when a wheel is not the one that passed the gate.
            PublishError, NetworkError: when the index refuses, has trouble, or does not show what it took.
        """
        before = self.look() if found is None else found
        before.check(self.index.name)
        carriers = self.index.carriers(before.to_upload)
        replace(self, candidates=(*carriers, *self.candidates)).bring((*carriers, *before.to_upload))
        return before

    def bring(self, left: tuple[Candidate, ...]) -> None:
        """Send what is left until the index has all of it."""
        tries, pause = _TRIES, _FIRST_PAUSE
        while left:
            failure = self._act(left)
            found = self._settled(failure)
            found.check(self.index.name)
            brought = len(left) - len(found.to_upload)
            left = found.to_upload
            if not left:
                break
            if failure is None:
                raise self._not_converged(left)
            self._check_passing(failure, left)
            tries = _TRIES if brought else tries - 1
            if not tries:
                raise failure.error
            self.say(f"{failure.error.what} ({failure.error.why}); {len(left)} left, again in {pause:g} s")
            self.sleep(pause)
            pause = _FIRST_PAUSE if brought else min(2 * pause, _LONGEST_PAUSE)

    def _act(self, left: Sequence[Candidate]) -> UploadFailure | None:
        for candidate in left:
            self.prove(candidate)
        try:
            self.index.send(left)
        except UploadFailure as failure:
            return failure
        except (PublishError, NetworkError) as error:
            return UploadFailure(error, None)
        return None

    def look(self) -> Comparison:
        """Compare, a second time where something conflicts: it may have been a file on its way.

        Raises:
            NetworkError, PublishError: see `differ`.
        """
        found = self.differ()
        if found.of(State.CONFLICTING):
            self.sleep(_SECOND_LOOK)
            found = self.differ()
        return found

    def _settled(self, failure: UploadFailure | None) -> Comparison:
        """Look again, for as long as an index that took everything may need to list it."""
        found, waited, pause = self.look(), 0.0, 0.25
        while failure is None and found.to_upload and waited < self.settle:
            self.sleep(pause)
            waited, pause = waited + pause, min(2 * pause, 5.0)
            found = self.look()
        return found

    @staticmethod
    def _check_passing(failure: UploadFailure, left: Sequence[Candidate]) -> None:
        """A refusal is final, unless somebody else has just published that very file."""
        error: FarmError = failure.error
        if not error.retryable and (failure.filename is None or failure.filename in _names(left)):
            raise error

    def _not_converged(self, left: Sequence[Candidate]) -> PublishError:
        names = _names(left)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004
        return PublishError(
            f"the index did not converge: it accepted {len(names)} wheels that it does not list",
            where=f"index {self.index.name}",
            why=f"missing after {self.settle:g} s: {', '.join(names[:3])}{more}",
            hint="look at the server's log; an index that lists late may get a higher `settle`",
        )


def _names(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.filename for candidate in candidates]
