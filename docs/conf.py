"""Sphinx configuration. Build with ``make docs``; no network is needed."""

from __future__ import annotations

import os
from importlib.metadata import version as installed_version

# The networks of the examples are tiny: a pool of threads in each worker only gets in the way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

project = "specreg-sklearn"
author = "The specreg-sklearn developers"
copyright = "the specreg-sklearn developers"
release = installed_version("specreg-sklearn")
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
# No intersphinx: a build without a network must not warn.
exclude_patterns = ["_build", "generated/*.inc", "gallery/*.ipynb"]
templates_path = ["_templates"]
default_role = "literal"
nitpicky = False

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings state the types
autodoc_inherit_docstrings = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "remove_config_comments": True,
    "doc_module": ("specreg_sklearn",),
    "backreferences_dir": None,
    "show_signature": False,
    "matplotlib_animations": False,
    "plot_gallery": "True",
    "min_reported_time": 0,
    "capture_repr": ("_repr_html_", "__repr__"),
}

html_theme = "pydata_sphinx_theme"
html_title = "specreg-sklearn"
html_static_path = ["_static"]
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
}
html_context = {"default_mode": "light"}
