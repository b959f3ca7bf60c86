"""Guides in the contents: the notebooks, and every page that the front page does not name, by title."""

from pathlib import Path

from sphinx.application import Sphinx

PLACE = "EVERY OTHER PAGE"


def _fill(app: Sphinx, name: str, source: list[str]) -> None:
    if name != app.config.root_doc:
        return
    root = Path(app.srcdir)
    pages = [*root.glob("*.md"), *root.glob("_generated/notebooks/*.md")]
    titles = {str(page.relative_to(root).with_suffix("")): _title(page) for page in pages}
    named = {line.strip() for line in source[0].splitlines()} | {name}
    others = sorted(titles.keys() - named, key=lambda page: titles[page])
    source[0] = source[0].replace(PLACE, "\n".join(others))


def _title(page: Path) -> str:
    return next(line for line in page.read_text().splitlines() if line.startswith("# "))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
