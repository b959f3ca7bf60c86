"""A self-contained HTML page: its style, and the few elements a report is made of.

Everything that comes from a study is escaped here. The page holds no scripts and loads nothing:
its content security policy says so to the browser.
"""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape

import pandas as pd

STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #5b636d; --line: #dfe3e8; --page: #fbfbfa;
  --card: #ffffff; --mark: #0b63a8; --stripe: #f4f6f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a2abb5; --line: #343b44;
  --page: #14171b; --card: #1b1f25; --mark: #7cbcf0; --stripe: #20252c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 77rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 3rem 0 .6rem; padding-top: 1.2rem; border-top: 1px solid var(--line); }
p { max-width: 46rem; margin: .6rem 0; }
.soft { color: var(--soft); font-size: .9rem; }
.verdict { font-size: 1.15rem; max-width: 50rem; padding: 1rem 1.2rem; margin: 1.4rem 0;
  background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--mark);
  border-radius: 6px; }
nav { margin: 1rem 0; font-size: .92rem; } nav a { margin-right: 1.1rem; }
a { color: var(--mark); }
.wide { overflow-x: auto; margin: 1rem 0 .4rem; border: 1px solid var(--line); border-radius: 6px;
  background: var(--card); }
table { border-collapse: collapse; width: 100%; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .42rem .65rem; text-align: left; vertical-align: top; }
thead th { font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--line); }
td, tbody th { white-space: nowrap; }
td.long { white-space: normal; min-width: 9.5rem; }
tbody th { font-weight: 600; } tbody tr:nth-child(even) { background: var(--stripe); }
.number { text-align: right; }
figure { margin: 1.2rem 0; } figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
.paper { background: #fff; border: 1px solid var(--line); border-radius: 6px; padding: .8rem; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .5rem; max-width: 52rem; }
details { margin: .8rem 0; } summary { cursor: pointer; color: var(--mark); }
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  padding: 1rem; font-size: .82rem; line-height: 1.45; }
@media print { body { background: #fff; } h2 { break-after: avoid; } figure, tr { break-inside: avoid; }
  .wide { overflow: visible; } table { font-size: .7rem; } td, tbody th { white-space: normal; }
  nav { display: none; } }
"""

_STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
_LOADED = f"default-src 'none'; img-src data:; style-src 'sha256-{_STYLE_HASH}'"
POLICY = f"{_LOADED}; base-uri 'none'; form-action 'none'"
"""No scripts, nothing loaded, and no style but the one above."""

SHORTEST_LONG = 25
"""Characters from which a column's text may wrap."""


def page(title: str, lead: str, sections: Iterable[tuple[str, str]]) -> str:
    """The whole page; `lead` and the (heading, body) of `sections` are HTML, headings are text."""
    parts = [(heading, body) for heading, body in sections if body]
    links = "".join(f'<a href="#s{i}">{escape(heading)}</a>' for i, (heading, _) in enumerate(parts))
    bodies = "".join(
        f'<section id="s{i}"><h2>{escape(heading)}</h2>\n{body}</section>\n'
        for i, (heading, body) in enumerate(parts)
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f'<body><main>\n<header><h1>{escape(title)}</h1>\n{lead}</header>\n<nav aria-label="Sections">{links}'
        f"</nav>\n{bodies}</main></body>\n</html>\n"
    )


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; `kind` is `soft` or `verdict`."""
    return f'<p class="{kind}">{escape(text)}</p>\n' if kind else f"<p>{escape(text)}</p>\n"


def table(rows: pd.DataFrame, label: str) -> str:
    """A table of texts and whole numbers; the first column names the row, `label` is read aloud."""
    if rows.empty:
        return ""
    classes = {name: _class(rows[name]) for name in rows}
    head = "".join(f'<th scope="col"{classes[name]}>{escape(str(name))}</th>' for name in rows)
    body = "".join(f"<tr>{_cells(list(row), list(classes.values()))}</tr>\n" for row in rows.to_numpy(object))
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(label)}"><table>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>\n"
    )


def picture(svg: bytes, alternative: str, caption: str) -> str:
    """A figure on paper (its background stays white in the dark), inlined as data."""
    data = b64encode(svg).decode()
    return (
        f'<figure><div class="paper"><img src="data:image/svg+xml;base64,{data}" alt="{escape(alternative)}">'
        f"</div><figcaption>{escape(caption)}</figcaption></figure>\n"
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
