"""What every `python -m analysis.NAME STUDY_DIR` does around its own work."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

from study.badinput import BadInput


def run_script(name: str, write: Callable[..., Iterable[object]], optional: str = "") -> NoReturn:
    """Work on the study directory named on the command line, print the files written or the text made, exit.

    `write` also gets the word after the directory, where there may be one: `optional` says what it is.

    The exit code is 2, with one line on standard error, for bad input.
    """
    if len(sys.argv) not in ((2, 3) if optional else (2,)):
        sys.exit(_refused(f"usage: python -m {name} STUDY_DIR" + (f" [{optional}]" if optional else "")))
    try:
        for made in write(Path(sys.argv[1]), *sys.argv[2:]):
            print(made)
    except BadInput as problem:
        sys.exit(_refused(str(problem)))
    sys.exit(0)


def _refused(line: str) -> int:
    print(line, file=sys.stderr)
    return 2
