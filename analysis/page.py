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

SHORTEST_LONG = 25
"""Characters from which a column's text may wrap."""

Section = tuple[str, str]
"""A heading as text and a body as HTML."""


def page(title: str, lead: str, sections: Iterable[Section]) -> str:
    """A page without scripts; `lead` and the bodies of sections are HTML, everything else is text."""
    filled = [part for part in sections if part[1]]
    links = "".join(f'<a href="#s{i}">{escape(heading)}</a>\n' for i, (heading, _) in enumerate(filled))
    bodies = "".join(
        f'<section id="s{i}"><h2>{escape(heading)}</h2>\n{body}</section>\n'
        for i, (heading, body) in enumerate(filled)
    )
    nav = f'<nav aria-label="Sections">{links}</nav>\n'
    return _document(title, lead, nav + bodies, [], "")


def tabbed(
    title: str,
    lead: str,
    tabs: Iterable[tuple[str, Sequence[Section]]],
    figures: Mapping[str, object],
    hues: Mapping[str, str],
) -> str:
    """A page of tabs with live figures; sections without a body and tabs without sections are left out.

    Args:
        title: Of the page, text.
        lead: HTML that stands before the tabs.
        tabs: Titles and sections.
        figures: The plotly figures that bodies refer to by `live`, by name.
        hues: Colours of figures that are others in the dark.
    """
    filled = [(name, [part for part in parts if part[1]]) for name, parts in tabs]
    filled = [(name, parts) for name, parts in filled if parts]
    links = "".join(
        f'<a id="tab-{i}" href="#part-{i}">{escape(name)}</a>\n' for i, (name, _) in enumerate(filled)
    )
    panels = "".join(_panel(i, name, parts) for i, (name, parts) in enumerate(filled))
    blocks = "".join(data(name, figure) for name, figure in figures.items()) + data("hues", hues)
    scripts = [_static("before.js"), get_plotlyjs(), _static("page.js")]
    nav = f'<nav aria-label="Parts of the report">{links}</nav>\n'
    return _document(title, lead, nav + panels, scripts, blocks)


def _document(title: str, lead: str, body: str, scripts: Sequence[str], blocks: str) -> str:
    style = _static("page.css")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy([style], scripts)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n"
        f"<body><main>\n<header><h1>{escape(title)}</h1>\n{lead}</header>\n{body}</main>\n"
        f"{blocks}{''.join(map(script, scripts))}</body>\n</html>\n"
    )


def _static(name: str) -> str:
    return (Path(__file__).parent / "static" / name).read_text()


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


def picture(image: bytes, alternative: str, caption: str, live: str = "", command: str = "") -> str:
    """A figure on paper (its background stays white in the dark), inlined as data.

    Args:
        image: The drawing, SVG or PNG.
        alternative: What a reader hears who does not see it.
        caption: Beneath it.
        live: Name of the plotly figure that is shown instead where scripts run; empty for none.
        command: What makes its file again; empty for none.
    """
    kind = "png" if image.startswith(b"\x89PNG") else "svg+xml"
    source, label = f"data:image/{kind};base64,{b64encode(image).decode()}", escape(alternative)
    place = f'class="live" data-figure="{live}" role="img" tabindex="0" aria-label="{label}"'
    moving = f"<div {place}><div></div></div>\n"
    again = f" Again: <code>{escape(command)}</code>" if command else ""
    return (
        f'<figure>{moving if live else ""}<div class="paper"><img src="{source}" alt="{label}"></div>\n'
        f"<figcaption>{escape(caption)}{again}</figcaption></figure>\n"
    )


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
