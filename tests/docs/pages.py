"""The pages of the documentation, and the blocks of commands in them."""

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    if not {"_build", "_generated"} & set(path.parts)
)
LANGUAGES = ("sh", "python")
MARK = re.compile(r"<!--\s*(not run|slow)\b\s*:?\s*(.*?)\s*-->\s*", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fence; `line` counts from 1, `reason` says why it is not run, empty where it is."""

    language: str
    text: str
    line: int
    reason: str


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(text: str) -> list[Block]:
    """Fences in sh and python, in order. `<!-- not run: REASON -->` on the line before one is its reason."""
    found, reason = [], ""
    for token in MarkdownIt("commonmark").parse(text):
        mark = MARK.fullmatch(token.content) if token.type == "html_block" else None
        if mark and mark[1] == "not run":
            assert mark[2], f"`{token.content.strip()}` gives no reason"
            reason = mark[2]
            continue
        if token.type == "fence" and token.info.split()[:1] and token.info.split()[0] in LANGUAGES:
            found.append(Block(token.info.split()[0], token.content, token.map[0] + 1, reason))
        if token.type == "fence" or token.nesting != -1:
            reason = ""
    return found


def is_slow(text: str) -> bool:
    """Whether a page says `<!-- slow: REASON -->` of itself: its commands take more than a minute."""
    return any(mark[1] == "slow" for mark in MARK.finditer(text))
