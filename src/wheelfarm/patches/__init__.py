"""Patch series: applied exactly or not at all, each patch with its reason.

A patch that applies with an offset is one that nobody has looked at since the source changed, so it is
refused like one that does not apply.
"""

from wheelfarm.patches.applying import apply
from wheelfarm.patches.file import Header, PatchFile, read_header

__all__ = ["Header", "PatchFile", "apply", "read_header"]
