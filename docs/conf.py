"""How Sphinx builds the documents into a site; `make docs` calls it.

MkDocs 1 has had no release since 2024 and its Material theme ends in November 2026;
Sphinx, MyST and this theme are kept by many.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "site")]

from tf_diffseg.quiet import load_tensorflow  # noqa: E402
from tf_diffseg.version import __version__  # noqa: E402

# Autodoc imports the library; its output is to be that of Sphinx alone.
load_tensorflow()

project = "tf_diffseg"
author = "the authors of tf_diffseg"
copyright = "the authors of tf_diffseg, Apache 2.0"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "myst_nb",
    # Those of docs/site.
    "api_pages",
    "flowcharts",
    "mathml",
    "outside_links",
]
exclude_patterns = ["site"]
templates_path = []

# Markdown as GitHub shows it.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
# `docs/notebooks/make.py` has executed them.
nb_execution_mode = "off"
nb_merge_streams = True

# Docstrings write code in single backquotes; a public name becomes a link.
default_role = "py:obj"
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autosummary_generate = False
autodoc_typehints = "none"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "pydata_sphinx_theme"
html_title = f"tf_diffseg {version}"
html_static_path = ["site/static"]
html_css_files = ["site.css"]
# These have no pages below them to list.
html_sidebars = {page: [] for page in ("getting_started", "method", "results")}
html_copy_source = False
html_show_sourcelink = False
# Else the theme complains in the browser of a mode it does not know.
html_context = {"default_mode": "auto"}
html_theme_options = {
    "logo": {"text": "tf_diffseg"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "show_prev_next": True,
}
