"""What a refused command leaves behind: nothing."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from study.badinput import BadInput


@contextmanager
def leaving_nothing(folder: Path) -> Iterator[None]:
    """Take away what was made in `folder`, itself included, when bad input ends the work on it.

    Only bad input: what a killed or interrupted command had made is what the next one goes on from.

    Raises:
        BadInput: No folder can be there.
    """
    path = folder.absolute()
    try:
        before = set(path.iterdir()) if path.is_dir() else set()
        missing = [place for place in (path, *path.parents) if not place.exists()]
        blocked = [place for place in (path, *path.parents) if place.exists() and not place.is_dir()]
    except OSError as error:
        raise BadInput(
            f"cannot be used ({error.strerror})", where=str(folder), fix="Choose another folder"
        ) from error
    if blocked:
        raise BadInput(f"{blocked[0]} is a file", where=str(folder), fix="Choose another folder")
    try:
        yield
    except BadInput:
        for entry in set(path.iterdir()) - before if path.is_dir() else ():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        for place in missing:
            # Parents that were made on the way, unless somebody else put something there since.
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()
        raise
