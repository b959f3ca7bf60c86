"""What a notebook shows of a study: a few lines and the end table, all of it escaped."""

from collections.abc import Sequence
from html import escape

import pandas as pd


def summary_html(name: str, lines: Sequence[str], table: pd.DataFrame | None) -> str:
    """A study's name, its lines, and a table of texts, as a fragment of a page without scripts."""
    shown = "" if table is None else table.to_html(index=False, escape=True, border=0)
    return f"<h4>{escape(name)}</h4>{shown}<pre>{escape(chr(10).join(lines))}</pre>"
