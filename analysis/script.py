"""What every `python -m analysis.NAME STUDY_DIR` does around its own work."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

from study.badinput import BadInput


def run_script(name: str, write: Callable[[Path], Iterable[object]]) -> NoReturn:
    """Work on the study directory named on the command line, print the files written or the text made, exit.

    The exit code is 2, with one line on standard error, for bad input.
    """
    if len(sys.argv) != 2:
        sys.exit(_refused(f"usage: python -m {name} STUDY_DIR"))
    try:
        for made in write(Path(sys.argv[1])):
            print(made)
    except BadInput as problem:
        sys.exit(_refused(str(problem)))
    sys.exit(0)


def _refused(line: str) -> int:
    print(line, file=sys.stderr)
    return 2
