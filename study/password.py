"""Passwords in database URLs: files hold `${NAME}` in their place, and no text shows one."""

import os
import re
from urllib.parse import quote, unquote

HIDDEN = "***"
_USERINFO = re.compile(r"(://[^\s:/?#@]*:)(?!\$\{\w+\}@)(\S+)(?=@)")
_QUERY = re.compile(
    r"([?&]\w*(?:password|passwd|pwd|secret|secret_key|access_key|account_key|token)=)(?!\$\{\w+\}(?:&|\s|$))[^&\s]+",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def mask(text: str) -> str:
    """A text without the passwords of the URLs in it."""
    return _QUERY.sub(rf"\1{HIDDEN}", _USERINFO.sub(rf"\1{HIDDEN}", text))


def has_password(url: str) -> bool:
    """Whether a URL holds a password in plain sight."""
    closed = re.sub(r"\s", "", url)
    return mask(closed) != closed


def expand(url: str) -> tuple[str, tuple[str, ...]]:
    """A URL with each `${NAME}` from the environment, and what must not be shown of it.

    A variable before the `@` may hold any character; elsewhere it is part of the URL as it is.

    Raises:
        KeyError: A variable is not set.
    """

    def value(match: re.Match[str]) -> str:
        raw = os.environ[match[1]]
        return quote(raw, safe="") if url[match.end() :].startswith("@") else raw

    found = [os.environ[name] for name in _VARIABLE.findall(url)]
    # A variable may hold the whole URL.
    found += [match[2] for text in found for match in _USERINFO.finditer(text)]
    secrets = {form for text in found for form in (text, quote(text, safe=""), unquote(text)) if text}
    return _VARIABLE.sub(value, url), tuple(sorted(secrets, key=len, reverse=True))
