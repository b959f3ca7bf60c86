"""Ctrl-C and SIGTERM during long work: the first asks for an orderly end, the second ends it at once."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

ASKED = "ending: reports under way are finished and saved (once more: stop now)"


FAILED, INTERRUPTED = 1, 130
"""Exit codes of a command that ended early."""


class InterruptedInOrderError(KeyboardInterrupt):
    """Work was asked to end, and has saved what it had."""


class StoppedError(Exception):
    """A command ended early, with this exit code; says how to go on.

    No KeyboardInterrupt, which Typer swallows.
    """

    def __init__(self, line: str, code: int) -> None:
        self.code = code
        super().__init__(line)


def _write_asked() -> None:
    # Not print: a handler may run in the middle of one.
    os.write(2, f"\n{ASKED}\n".encode())


_announce: ContextVar[Callable[[], None]] = ContextVar("announce", default=_write_asked)


@contextmanager
def announced_by(announce: Callable[[], None]) -> Iterator[None]:
    """Let somebody else say that work is ending, such as a view that a line of ours would tear apart.

    Args:
        announce: Called within a signal handler: it may set a flag and little more.
    """
    token = _announce.set(announce)
    try:
        yield
    finally:
        _announce.reset(token)


def storage_trouble(error: OSError) -> str:
    """A full or lost disk in words: which file, and what about it."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)


@contextmanager
def orderly_end() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; the second raises KeyboardInterrupt.

    Whoever waits for the event raises `InterruptedInOrderError` once everything is saved. Outside
    the main thread, where signals cannot be handled, the event is never set.
    """
    asked, announce = threading.Event(), _announce.get()

    def handle(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        announce()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
