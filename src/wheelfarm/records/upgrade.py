"""Records of older forms, as the newest form has them: what they do not tell is null."""

from __future__ import annotations

from typing import Final

_OLDER: Final = (1, 2)


def upgraded(document: object, version: int) -> object:
    """A record's JSON in the newest form; one that is of no known form is left for the reader to refuse.

    Args:
        document: as it was read.
        version: the newest form's.
    """
    if not isinstance(document, dict) or document.get("schema") not in _OLDER:
        return document
    newer = {"distribution": document.get("recipe"), **document, "schema": version}
    patches, source, wheel = document.get("patches"), document.get("source"), document.get("wheel")
    # The second form tells whose wheel it is, the patches' texts, and where an archive or repository is.
    if isinstance(patches, list):
        newer["patches"] = [{"text": None, **each} if isinstance(each, dict) else each for each in patches]
    if isinstance(source, dict):
        newer["source"] = {"url": None, **source}
    # The third tells what a wheel was before it got a build number.
    if isinstance(wheel, dict):
        newer["wheel"] = {"unnumbered_sha256": None, **wheel}
    return newer
