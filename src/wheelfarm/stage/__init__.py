"""Stage: lay out one build's directory."""

from wheelfarm.stage.layout import Stage, lay, newest
from wheelfarm.stage.provider import library_path, provider_environment
from wheelfarm.stage.pyproject import backend, build_requires, edited

__all__ = [
    "Stage",
    "backend",
    "build_requires",
    "edited",
    "lay",
    "library_path",
    "newest",
    "provider_environment",
]
