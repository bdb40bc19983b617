"""Nox sessions for the recipes of any farm repository.

This runs in whatever environment nox is installed in, so it uses the standard library and nox alone; the farm
itself runs in an environment of its own, which is made on first use.
"""

from wheelfarm.sessions.farm import register
from wheelfarm.sessions.tools import tools_environment

__all__ = ["register", "tools_environment"]
