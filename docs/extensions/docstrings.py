"""Docstrings as they are written here: Google's sections, words in backticks, and no other markup."""

import re
from typing import Any

from sphinx.application import Sphinx


def _plain(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:  # noqa: ANN401
    """Within backticks is code; outside of them `|f(B)|` and `**options` are not markup."""
    if lines and lines[0].startswith("Alias for field number"):
        lines.clear()
        return
    text = "\n".join(lines)
    parts = re.split(r"(`[^`]*`)", text)
    parts[1::2] = [f"`{part}`" for part in parts[1::2]]
    parts[::2] = [re.sub(r"([|*_])(?=\W|$)|([|*])", r"\\\g<0>", part) for part in parts[::2]]
    lines[:] = "".join(parts).split("\n")
    if what in ("attribute", "data", "property"):
        # Napoleon takes what stands before a colon in their first line for a type; `..` shows nothing.
        lines[:0] = ["..", ""]


def setup(app: Sphinx) -> dict[str, bool]:
    # Before napoleon, whose own markup stays.
    app.connect("autodoc-process-docstring", _plain, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
