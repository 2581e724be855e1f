"""Sphinx configuration: the Markdown pages of this folder as HTML (`make docs`)."""

project = "Solvable"
author = "The Solvable developers"
copyright = "2026, The Solvable developers"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "alabaster"
# links from these pages into the source tree are for readers of the repository
suppress_warnings = ["myst.xref_missing"]
