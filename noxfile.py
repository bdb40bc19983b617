"""The farm's sessions, one pair a recipe; and this project's own."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "src"))

from wheelfarm.cli.project_sessions import register_project  # noqa: E402
from wheelfarm.cli.sessions import register  # noqa: E402

register(ROOT)
register_project(ROOT)
