"""One process a study directory: a lock file that names its owner and does not outlive it.

The file itself is the lock, because flock does not reach across every shared storage. Its owner
touches it now and then. On the owner's own machine its process is looked for; another machine goes
by the file's age, measured with the storage's clock, so that clocks of hosts need not agree.
"""

import os
import tempfile
import threading
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from study.badinput import BadInput
from study.pipeline.owner import Owner, myself

LOCK, CLAIM = ".lock", ".lock.claim"
REFRESH_S, STALE_S = 20.0, 120.0
LONGEST = 4096
"""Bytes read of a lock file; ours are shorter."""
LOST = b"\nsetsum: another process has taken this study over, or its lock was deleted: ending\n"


@contextmanager
def occupied(root: Path) -> Iterator[None]:
    """Work in a study directory as its only process; a new directory goes again if nothing was written.

    Raises:
        BadInput: Another process works in it, or it cannot be written to.
    """
    with _folder(root.resolve()) as folder:
        path = folder / LOCK
        try:
            content = _take(path)
        except OSError as error:
            raise BadInput(f"cannot be locked ({error})", where=str(root), fix="Check the folder") from None
        ended = threading.Event()
        refresher = threading.Thread(target=_refresh, args=(path, content, ended), daemon=True)
        refresher.start()
        try:
            yield
        finally:
            ended.set()
            refresher.join(REFRESH_S)
            with suppress(OSError):
                if _holds(path, content):
                    path.unlink()


@contextmanager
def _folder(root: Path) -> Iterator[Path]:
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"cannot be made ({error.strerror})", where=str(root), fix="Choose another folder"
        ) from None
    try:
        yield root
    finally:
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


def _take(path: Path) -> bytes:
    """Make the lock file, in place of a stale one if need be, and return what it holds."""
    with suppress(FileExistsError):
        return _create(path)
    try:
        with _claim(path.with_name(CLAIM)):
            _refuse_if_held(path)
            path.unlink(missing_ok=True)
            return _create(path)
    except FileExistsError:
        raise BadInput(
            "another setsum is just beginning here", where=str(path.parent), fix="Try again in a moment"
        ) from None


def _create(path: Path) -> bytes:
    content = myself().model_dump_json().encode()
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    return content


@contextmanager
def _claim(path: Path) -> Iterator[None]:
    """The sole right to judge and remove a lock: of two at once, each might remove the other's fresh one."""
    with suppress(FileNotFoundError):
        if _age(path, path.lstat().st_mtime) > STALE_S:
            # A claim lasts a moment; whoever made this one died in it.
            path.unlink()
    path.open("xb").close()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _refuse_if_held(path: Path) -> None:
    try:
        # Opened, not only looked at: network storage then asks its server how old the file is.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    with os.fdopen(handle, "rb") as stream:
        touched, owner = os.fstat(handle).st_mtime, _parse(stream.read(LONGEST))
    near = owner if owner and owner.is_neighbour(myself()) else None
    held = near.runs() if near else _age(path, touched) <= STALE_S
    if held:
        raise BadInput(
            f"in use by {owner or 'an unknown process'}",
            where=str(path.parent),
            fix="Wait for it, or end it; if that host is gone for good, the lock counts as stale after "
            f"{STALE_S / 60:g} minutes, or delete {path}",
        )


def _parse(content: bytes) -> Owner | None:
    """Who wrote this; None where it is torn, empty or no lock of ours."""
    try:
        return Owner.model_validate_json(content)
    except ValidationError:
        return None


def _age(path: Path, touched: float) -> float:
    """Seconds since a file was touched, by the clock of the storage it lies on."""
    with tempfile.TemporaryFile(dir=path.parent) as now:
        return os.fstat(now.fileno()).st_mtime - touched


def _refresh(path: Path, content: bytes, ended: threading.Event) -> None:
    """Keep the lock young; work that has lost it, say after a long suspension, is ended in order."""
    while not ended.wait(REFRESH_S):
        # Storage that does not answer now may later; a lock that is gone or another's is lost.
        with suppress(OSError):
            if _holds(path, content):
                os.utime(path)
                continue
            os.write(2, LOST)
            interrupt_main()
            return


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False
