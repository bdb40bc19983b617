"""Publishing as a transaction: compare, upload, compare again, and fail unless the index lists everything."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, NetworkError, PublishError, counted
from wheelfarm.index.build_tags import short_key
from wheelfarm.index.comparison import Comparison, State, compare
from wheelfarm.index.protocol import UploadFailure
from wheelfarm.system.logs import get_logger
from wheelfarm.wheelhouse.layout import read_metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wheelfarm.index.build_tags import Tagger
    from wheelfarm.index.candidates import Candidate
    from wheelfarm.index.comparison import Difference, ReleaseRules
    from wheelfarm.index.protocol import IndexProtocol
    from wheelfarm.model import Name

logger = get_logger(__name__)

_TRIES: Final = 5
"""Attempts in a row without progress."""
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_SECOND_LOOK: Final = 1.0
"""Seconds before a conflict is compared again."""


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """Brings the candidates of a farm into an index.

    Args:
        index: the index.
        candidates: stored wheels, dependencies before dependents.
        tagger: writes them under their published names.
        rules: what makes a release complete.
        timeout: seconds that the index may take to list what it has accepted.
        sleep: waits for some seconds.
        next_build: give conflicting wheels the next build number.
    """

    index: IndexProtocol
    candidates: Sequence[Candidate]
    tagger: Tagger
    rules: ReleaseRules
    timeout: float
    sleep: Callable[[float], None] = time.sleep
    next_build: bool = False

    def _compare_once(self) -> Comparison:
        """Compare the candidates with the index; nothing is written there."""
        projects = {candidate.project for candidate in self.candidates}
        required = {name for each in self.candidates for name in each.requires if name in self.rules.owned}
        keys = {short_key(candidate.file.key) for candidate in self.candidates}
        found = compare(
            self.candidates,
            self.index.list_files(sorted(projects | required), keys),
            self.rules,
            is_same=self.tagger.is_same,
            next_build=self.next_build,
        )
        own = Comparison(tuple(each for each in found.differences if each.project in projects))
        return own.closing(self.index.statuses(sorted({each.project for each in own.to_upload})))

    def compare(self) -> Comparison:
        """Compare, a second time after a conflict: it may have been a file that was still being written.

        Raises:
            NetworkError: when the index cannot be reached.
            PublishError: when it refuses, or its listing cannot be read.
            UnprovenError: when a wheel is not the one that passed the gate.
        """
        found = self._compare_once()
        if found.of(State.CONFLICTING):
            self.sleep(_SECOND_LOOK)
            found = self._compare_once()
        return found

    def prepare(self) -> Comparison:
        """Write what the index lacks under its published names; raises what `publish` does first."""
        found = self.compare()
        found.check(self.index.name)
        for each in found.to_upload:
            if each.candidate:
                self.tagger.tag(each.candidate, each.tag)
        return found

    def publish(self) -> Comparison:
        """Upload what the index lacks, or raise before the first byte; then mend core metadata.

        Returns:
            The states before; what was to upload is in the index now, and its core metadata are the wheels'.

        Raises:
            ConflictError, IncompleteError: when something may not be published as it is.
            UnprovenError: when a wheel is not the one that passed the gate.
            PublishError, NetworkError: when the index refuses, has trouble, or does not list what it took.
        """
        before = self.prepare()
        self._upload(before.to_upload)
        self._mend(before.of(State.DAMAGED))
        return before

    def _mend(self, damaged: Sequence[Difference]) -> None:
        """Write core metadata beside published wheels again (PEP 658); raise where the index cannot do it."""
        metadata: defaultdict[Name, dict[str, bytes]] = defaultdict(dict)
        for each in damaged:
            if each.candidate:
                # Not the file beside it: that may be the one that was changed.
                metadata[each.project][each.filename] = read_metadata(each.candidate.path)
        problems = Collector()
        for project, files in metadata.items():
            with problems.collect():
                self.index.mend_metadata(project, files)
        problems.check()

    def _upload(self, left: tuple[Difference, ...]) -> None:
        """Upload until the index has all of it."""
        tries, pause = _TRIES, _FIRST_PAUSE
        while left:
            failure = self._try(left)
            found = self._compare_after(failure)
            found.check(self.index.name)
            progress = len(left) - len(found.to_upload)
            left = found.to_upload
            if not left:
                break
            if failure is None:
                raise self._not_listed(left)
            # A refusal is final, unless another publisher has just uploaded that very file.
            if not failure.error.retryable and (
                failure.filename is None or failure.filename in {each.filename for each in left}
            ):
                raise failure.error
            tries = _TRIES if progress else tries - 1
            if not tries:
                raise failure.error
            what, why = failure.error.what, failure.error.why
            logger.info("%s (%s); %d left, again in %g s", what, why, len(left), pause)
            self.sleep(pause)
            pause = _FIRST_PAUSE if progress else min(2 * pause, _LONGEST_PAUSE)

    def _try(self, left: Sequence[Difference]) -> UploadFailure | None:
        wheels = [self.tagger.tag(each.candidate, each.tag) for each in left if each.candidate]
        try:
            self.index.upload(wheels)
        except UploadFailure as failure:
            return failure
        except (PublishError, NetworkError) as error:
            return UploadFailure(error, None)
        return None

    def _compare_after(self, failure: UploadFailure | None) -> Comparison:
        """Compare again, for as long as an index that took everything may need to list it."""
        found, waited, pause = self.compare(), 0.0, 0.25
        while failure is None and found.to_upload and waited < self.timeout:
            self.sleep(pause)
            waited, pause = waited + pause, min(2 * pause, 5.0)
            found = self.compare()
        return found

    def _not_listed(self, left: Sequence[Difference]) -> PublishError:
        names = [each.filename for each in left]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004
        accepted = counted(len(names), "wheel that it does not list", "wheels that it does not list")
        return PublishError(
            f"the index accepted {accepted}",
            where=f"index {self.index.name}",
            why=f"missing after {self.timeout:g} s: {', '.join(names[:3])}{more}",
            hint="look at the server's log; an index that lists late needs a higher `listing-timeout`",
        )
