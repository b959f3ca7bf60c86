"""A self-contained HTML page: tabs, and the few elements a report is made of.

Everything that comes from a study is escaped here. Without scripts, and on paper, the tabs are
sections one after another and the figures their drawings; the page loads nothing either way.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import pandas as pd
from plotly.offline import get_plotlyjs

from analysis.policy import data, policy, script

STATIC = Path(__file__).parent / "static"

SHORTEST_LONG = 25
"""Characters from which a column's text may wrap."""

Section = tuple[str, str]
"""A heading as text and a body as HTML."""


def page(
    title: str,
    lead: str,
    tabs: Iterable[tuple[str, Sequence[Section]]],
    figures: Mapping[str, object],
    hues: Mapping[str, str],
) -> str:
    """The whole page; `lead` and the bodies of sections are HTML, everything else is text.

    Args:
        title: Of the page.
        lead: What stands before the tabs.
        tabs: Titles and sections; sections without a body and tabs without sections are left out.
        figures: The plotly figures that bodies refer to by `live`, by name.
        hues: Colours of figures that are others in the dark.
    """
    filled = [(name, [part for part in parts if part[1]]) for name, parts in tabs]
    filled = [(name, parts) for name, parts in filled if parts]
    links = "".join(
        f'<a id="tab-{i}" href="#part-{i}">{escape(name)}</a>\n' for i, (name, _) in enumerate(filled)
    )
    panels = "".join(_panel(i, name, parts) for i, (name, parts) in enumerate(filled))
    style, before, after = ((STATIC / name).read_text() for name in ("page.css", "before.js", "page.js"))
    scripts = [before, get_plotlyjs(), after]
    blocks = "".join(data(name, figure) for name, figure in figures.items()) + data("hues", hues)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy([style], scripts)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n"
        f"<body><main>\n<header><h1>{escape(title)}</h1>\n{lead}</header>\n"
        f'<nav aria-label="Parts of the report">{links}</nav>\n{panels}</main>\n'
        f"{blocks}{''.join(map(script, scripts))}</body>\n</html>\n"
    )


def _panel(number: int, name: str, sections: Sequence[Section]) -> str:
    bodies = "".join(f"<section><h3>{escape(heading)}</h3>\n{body}</section>\n" for heading, body in sections)
    return f'<div class="panel" id="part-{number}">\n<h2>{escape(name)}</h2>\n{bodies}</div>\n'


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; `kind` is `soft` or `verdict`."""
    return f'<p class="{kind}">{escape(text)}</p>\n' if kind else f"<p>{escape(text)}</p>\n"


def table(rows: pd.DataFrame, label: str) -> str:
    """A table of texts and whole numbers; the first column names the row, `label` is read aloud."""
    if rows.empty:
        return ""
    classes = [_class(rows.iloc[:, place]) for place in range(rows.shape[1])]
    head = "".join(
        f'<th scope="col"{kind}>{escape(str(name))}</th>' for name, kind in zip(rows, classes, strict=True)
    )
    body = "".join(f"<tr>{_cells(list(row), classes)}</tr>\n" for row in rows.to_numpy(object))
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(label)}"><table>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>\n"
    )


def picture(svg: bytes, alternative: str) -> str:
    """A drawing on paper (its background stays white in the dark), inlined as data."""
    inlined = b64encode(svg).decode()
    source = f"data:image/svg+xml;base64,{inlined}"
    return f'<div class="paper"><img src="{source}" alt="{escape(alternative)}"></div>\n'


def live(name: str, alternative: str) -> str:
    """Where a script draws the plotly figure `name`; followed by its `picture`, shown without scripts."""
    label = escape(alternative)
    return f'<div class="live" data-figure="{name}" role="img" aria-label="{label}"><div></div></div>\n'


def figure(drawn: str, caption: str, command: str) -> str:
    """A figure of `live` and `picture`, its caption, and the command that makes it again."""
    again = f"Again: <code>{escape(command)}</code>"
    return f"<figure>{drawn}<figcaption>{escape(caption)} {again}</figcaption></figure>\n"


def folded(title: str, body: str) -> str:
    """HTML that opens on a click."""
    return f"<details><summary>{escape(title)}</summary>\n{body}</details>\n" if body else ""


def verbatim(text: str) -> str:
    """Text as it is, in a fixed-width font."""
    return f"<pre>{escape(text)}</pre>\n"


def _cells(values: list[object], classes: list[str]) -> str:
    first = f'<th scope="row"{classes[0]}>{escape(str(values[0]))}</th>'
    others = zip(values[1:], classes[1:], strict=True)
    return first + "".join(f"<td{kind}>{escape(str(value))}</td>" for value, kind in others)


def _class(values: "pd.Series[str]") -> str:
    texts = [str(value) for value in values]
    if max(map(len, texts)) >= SHORTEST_LONG:
        return ' class="long"'
    filled = [text for text in texts if text not in ("", "–")]
    numeric = filled and all(text.strip("<+-−≥ ")[:1].isdigit() or text[:1] in ".∞" for text in filled)
    return ' class="number"' if numeric else ""
