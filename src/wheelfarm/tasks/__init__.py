"""Invoke tasks for the recipes of any farm repository: they parse words and call the rooms."""

from wheelfarm.tasks.collection import collection

__all__ = ["collection"]
