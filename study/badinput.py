"""The one exception for what a user can cause: what is wrong, where, and what to do about it."""

from study.password import mask

LONGEST = 600
"""Characters of `what` and of `where` that are shown: a wrong value may be a whole file."""


class BadInput(ValueError):  # noqa: N818 - what users meet is input, not an error of theirs or ours
    """Something the user gave cannot be used; the command prints one line and exits with 2.

    Args:
        what: The rule that is broken and the offending value.
        where: File, field or scan id that holds it; empty when `what` names it already.
        fix: What to do about it.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__(what, where, fix)

    def __str__(self) -> str:
        what, where = _short(self.what), _short(self.where)
        line = f"{where}: {what}" if where else what
        if self.fix:
            line = f"{line.rstrip('.')}. {self.fix}"
        # Drivers and parsers quote what they were given.
        return "".join(_shown(character) for character in mask(" ".join(line.split())))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.what, self.where, self.fix)


def _rebuild(what: str, where: str, fix: str) -> BadInput:
    return BadInput(what, where=where, fix=fix)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def _shown(character: str) -> str:
    """Control characters as escapes: a file's name may not steer the terminal."""
    return character if character.isprintable() else character.encode("unicode_escape").decode()
