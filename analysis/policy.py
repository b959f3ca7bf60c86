"""What a report may do in a browser: run its own scripts, apply its own styles, load nothing.

Scripts and styles are named by their hashes, so that no text of a study can ever run or style
anything, were it to slip through the escaping.
"""

import json
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256

EMPTY = ""
"""plotly makes an empty style element, whose rules it then sets one by one."""


def policy(styles: Iterable[str], scripts: Iterable[str]) -> str:
    """The content security policy of a page with these inline styles and scripts and no others."""
    allowed = {
        "default-src": "'none'",
        "img-src": "data: blob:",
        "style-src": " ".join(map(_hash, [*styles, EMPTY])),
        "script-src": " ".join(map(_hash, scripts)) or "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in allowed.items())


def script(code: str) -> str:
    """A script element of our own or plotly's code."""
    assert "</script" not in code.lower(), "a script that would end early"
    assert "\r" not in code, "a browser hashes it with other line ends"
    return f"<script>{code}</script>\n"


def data(name: str, content: object) -> str:
    """A block of JSON that a script reads; it is no script, and nothing in it can end it.

    Args:
        name: Its id.
        content: Anything JSON holds; no NaN.
    """
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return f'<script type="application/json" id="{name}">{text}</script>\n'


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
