"""Sphinx configuration. Build with ``make docs``; no network is needed."""

from __future__ import annotations

import os
import re
import warnings
from importlib.metadata import metadata
from importlib.metadata import version as installed_version
from pathlib import Path

from sklearn.exceptions import ConvergenceWarning

# The networks of the examples are tiny: a pool of threads in each worker only gets in the way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# They are trained for a few epochs on purpose, so that a page is built in seconds.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

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
    "ignore_pattern": r"custom_",  # shown where the guide explains it
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
# The menu of versions reads one file, that of the newest site, so that old sites know new versions.
DOCUMENTATION = metadata("specreg-sklearn").get_all("Project-URL") or []
SITE = next((url.split(", ")[1] for url in DOCUMENTATION if url.startswith("Documentation")), "")
html_favicon = "_static/logo_light.svg"
html_theme_options = {
    "logo": {
        "text": "specreg-sklearn",
        "image_light": "_static/logo_light.svg",
        "image_dark": "_static/logo_dark.svg",
    },
    "switcher": {
        "json_url": f"{SITE}dev/_static/versions.json",
        "version_match": "dev" if "dev" in release else release,
    },
    "check_switcher": False,  # it would ask the network
    "navbar_end": ["version-switcher", "theme-switcher"],
    "show_prev_next": True,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
}
html_context = {"default_mode": "light"}


def write_changelog() -> None:
    """Turn CHANGELOG.md into a page, so that it is written once and needs no Markdown parser."""
    docs = Path(__file__).parent
    lines = []
    for line in (docs.parent / "CHANGELOG.md").read_text(encoding="utf-8").splitlines():
        line = re.sub(r"\[([^\]]+)\]\((http[^)]+)\)", r"`\1 <\2>`__", line)
        if heading := re.match(r"(#+) (.*)", line):
            title = heading[2].replace("[", "").replace("]", "")
            lines += ["", title, "=-~"[len(heading[1]) - 1] * len(title)]
        else:
            lines.append(line)
    target = docs / "generated" / "changelog.inc"
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def escape_shapes(app, what, name, obj, options, lines):
    """Let shapes in docstrings, such as ``(n_features_in_,)``, stay plain text in a terminal."""
    for number, line in enumerate(lines):
        line = re.sub(r"(?<=\()(\w+_)(?=,\))", r"`\1`", line)
        lines[number] = re.sub(r"(?<=, )\*(?=\w+\))", r"\\*", line)


def skip_inherited(app, what, name, obj, skip, options):
    """Leave out what scikit-learn, torch and Python define: their own sites explain it."""
    owner = getattr(getattr(obj, "fget", obj), "__module__", None)
    if not str(owner).startswith("specreg_sklearn"):
        return True
    return skip


def setup(app):
    write_changelog()
    app.connect("autodoc-process-docstring", escape_shapes, priority=100)  # before numpydoc
    app.connect("autodoc-skip-member", skip_inherited)
