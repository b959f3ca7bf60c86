"""Each message that the FAQ explains is one that the code says."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUOTED = re.findall(r"^### `(.+)`$", (ROOT / "docs" / "faq.md").read_text(), re.MULTILINE)


def sentences(source: str) -> list[str]:
    """Every text in Python source without its backticks, `…` for what is filled in."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            found.append(
                "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
            )
    return [text.replace("`", "") for text in found]


SAID = [text for path in (ROOT / "study").rglob("*.py") for text in sentences(path.read_text())] + [
    text for path in (ROOT / "analysis").rglob("*.py") for text in sentences(path.read_text())
]


def is_said(message: str) -> bool:
    """Whether one text of the code has all parts of a message, in order."""
    pattern = re.compile(".*".join(re.escape(part.strip()) for part in message.split("…")), re.DOTALL)
    return any(pattern.search(text) for text in SAID)


@pytest.mark.parametrize("message", QUOTED)
def test_the_message_is_said(message):
    assert is_said(message)


def test_a_message_that_nobody_says_is_seen():
    assert len(QUOTED) > 20
    assert not is_said("no cohort found: no such thing")
    assert not is_said("truncated: … bytes of … are there")
