"""How the site is built: `make docs`, without a network, warnings being errors."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent)]

from study import __version__  # noqa: E402 - the checkout's, found by the line above

project = "setsum"
author = "The setsum developers"
release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docstrings",
    "generated",
    "guides",
    "mathml",
    "notebooks",
]
exclude_patterns = ["_build", "extensions", "**.ipynb_checkpoints"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
default_role = "code"

myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"setsum {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_copyright = False
