"""The `setsum` command, with a fault at one instant of its writing; run by bench.py.

FAULT names it: `kill:NAME:K` ends the process without warning in the middle of the K-th write of a
file called NAME (its last line torn where lines are appended), `full:NAME:K` finds the disk full
there; `trace:PATH` lists every write in PATH.
"""

import errno
import os
import re
import signal
import stat
import sys
from collections import Counter
from pathlib import Path

from study import cli

FAULT, NAME, COUNT, *_ = [*os.environ["FAULT"].split(":"), "", ""]
APPENDED = (".jsonl", ".journal")
whole, written = os.fsync, Counter()


def plain(path):
    """The name under which a file that is still hidden will appear."""
    found = re.fullmatch(r"\.(.+)\.[^.]+\.part", path.name)
    return found.group(1) if found else path.name


def fsync(descriptor):
    path = Path(f"/proc/self/fd/{descriptor}").readlink()
    name = plain(path)
    written[name] += 1
    if FAULT == "trace":
        with Path(NAME).open("a") as stream:
            print(path.parent / name, file=stream)
    elif name == NAME and written[name] == int(COUNT):
        if FAULT == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        size = os.fstat(descriptor).st_size
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and size > 3:
            os.truncate(path, size - 3 if name.endswith(APPENDED) else size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    whole(descriptor)


os.fsync = fsync
sys.argv = ["setsum", *sys.argv[1:]]
cli.main()
