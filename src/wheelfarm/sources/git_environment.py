"""The environment of git: no settings but the farm's, and no prompts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from wheelfarm.system.environment import allowed

if TYPE_CHECKING:
    from collections.abc import Mapping

_SETTINGS: Final = {
    "core.autocrlf": "false",
    "core.attributesFile": os.devnull,
    "core.hooksPath": os.devnull,
    "gc.auto": "0",  # the commits have no reference that would keep them
    "maintenance.auto": "false",
    "protocol.allow": "never",
    **{f"protocol.{scheme}.allow": "always" for scheme in ("https", "http", "ssh", "git", "file")},
}


def git_environment(environ: Mapping[str, str], further: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment in which git reads no configuration but `further`, by key, and prompts for nothing."""
    configured = _SETTINGS | dict(further or {})
    settings = {
        name: value
        for index, (key, setting) in enumerate(configured.items())
        for name, value in ((f"GIT_CONFIG_KEY_{index}", key), (f"GIT_CONFIG_VALUE_{index}", setting))
    }
    return {
        **allowed(environ, keep=("SSH_AUTH_SOCK",)),
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        "GIT_CONFIG_COUNT": str(len(configured)),
        **settings,
    }
