"""What runs a build: the Protocol that both engines keep, and what they share.

An engine renders a stage to files and steps, which is pure and is what `inv explain` shows; running them is
the same few lines for both.
"""

from wheelfarm.engine.protocol import BUILT, OWNERS, TESTIMONY, Engine, Phase, Rendering, Step
from wheelfarm.engine.running import Follower, mark_of, run_rendering, run_step
from wheelfarm.engine.variables import (
    PROXIES,
    RESERVED,
    build_environment,
    check_environment,
    check_programs,
    config_settings,
    kept_environment,
)

__all__ = [
    "BUILT",
    "OWNERS",
    "PROXIES",
    "RESERVED",
    "TESTIMONY",
    "Engine",
    "Follower",
    "Phase",
    "Rendering",
    "Step",
    "build_environment",
    "check_environment",
    "check_programs",
    "config_settings",
    "kept_environment",
    "mark_of",
    "run_rendering",
    "run_step",
]
