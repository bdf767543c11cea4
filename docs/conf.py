"""How Sphinx builds the documentation: ``nox -s docs`` writes it to ``build/docs`` and fails at the first dead link."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "generate"))

project = "jobspan"
html_title = "jobspan"
html_theme = "furo"
extensions = ["myst_parser"]
exclude_patterns = ["generate"]
myst_heading_anchors = 4
html_show_copyright = False
html_copy_source = False


def setup(app: Any) -> None:
    """Have the links of README and the other pages outside of this folder checked with those of the pages."""
    app.connect("builder-inited", _check_outside)


def _check_outside(_app: Any) -> None:
    from links import dead_links, pages_outside
    from sphinx.util import logging

    for page in pages_outside():
        for link in dead_links(page):
            logging.getLogger(__name__).warning("%s: dead link: %s", page.name, link)
