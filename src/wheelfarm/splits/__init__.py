"""Splits: several wheels out of one compile, such as scipy without its tests, and scipy-tests."""

from wheelfarm.splits.division import divide
from wheelfarm.splits.subject import subject

__all__ = ["divide", "subject"]
