"""Stage: lay out one build's directory."""

from wheelfarm.stage.backends import MESON_PYTHON, check_settings
from wheelfarm.stage.install_tags import main_tags, split_tags, with_tags
from wheelfarm.stage.kept import Kept
from wheelfarm.stage.layout import ENVIRONMENT, SOURCE, Stage, lay, newest
from wheelfarm.stage.provider import library_path, provider_environment
from wheelfarm.stage.pyproject import backend, build_requires, edited

__all__ = [
    "ENVIRONMENT",
    "MESON_PYTHON",
    "SOURCE",
    "Kept",
    "Stage",
    "backend",
    "build_requires",
    "check_settings",
    "edited",
    "lay",
    "library_path",
    "main_tags",
    "newest",
    "provider_environment",
    "split_tags",
    "with_tags",
]
