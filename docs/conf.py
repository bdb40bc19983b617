"""Sphinx's configuration: MyST pages, furo, and no warning unheard."""

from __future__ import annotations

project = "wheelfarm"
author = "wheelfarm maintainers"
copyright = "wheelfarm maintainers, MIT"

extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = "wheelfarm"
html_copy_source = False
