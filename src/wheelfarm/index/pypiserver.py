"""pypiserver: a page of its own lists all files that it has, so that many projects cost one question.

It reads its whole directory for every page, so this matters (pypiserver's documentation, "find-links").
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from wheelfarm.index.upload import UploadIndex
from wheelfarm.model import Name

if TYPE_CHECKING:
    from collections.abc import Collection

    from requests import Response

    from wheelfarm.index.protocol import ListedFile, Listing

_FEW: Final = 2
"""So many projects are asked for one by one."""


def is_pypiserver(answer: Response) -> bool:
    """Whether an answer is the page that pypiserver greets with; one that was replaced is not known."""
    return answer.ok and "Welcome to pypiserver" in answer.text


@dataclass
class PypiserverIndex(UploadIndex):
    """All of a pypiserver."""

    def look(self, projects: Collection[Name], wanted: Collection[str] = ()) -> Listing:
        """What it lists now; see `Index.look`."""
        files = None if len(projects) <= _FEW else self.page_of(Name("all"), f"{self.url}packages/")
        if not files:
            return super().look(projects, wanted)
        of: defaultdict[Name, list[ListedFile]] = defaultdict(list)
        for file in files:
            try:
                of[Name(parse_wheel_filename(file.filename)[0])].append(file)
            except InvalidWheelFilename:
                continue
        return self.known({project: tuple(of[project]) for project in projects}, wanted)
