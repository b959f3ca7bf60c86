"""Executed notebooks as pages: each `docs/*.ipynb` becomes a Markdown file and its pictures at build time."""

from pathlib import Path

from nbconvert import MarkdownExporter
from sphinx.application import Sphinx


def _convert(app: Sphinx) -> None:
    out = Path(app.srcdir) / "_generated" / "notebooks"
    for notebook in sorted(Path(app.srcdir).glob("*.ipynb")):
        text, resources = MarkdownExporter().from_filename(
            str(notebook), resources={"unique_key": notebook.stem, "output_files_dir": notebook.stem}
        )
        (out / notebook.stem).mkdir(parents=True, exist_ok=True)
        for name, content in resources["outputs"].items():
            (out / name).write_bytes(content)
        (out / f"{notebook.stem}.md").write_text(text)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", _convert)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
