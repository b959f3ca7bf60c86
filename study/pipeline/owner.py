"""Which process this is, in words that another host understands, and whether such a process still runs."""

import getpass
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

DEAD = -1
LONGEST_COMMAND = 200

Text = Annotated[str, AfterValidator(lambda text: "".join(filter(str.isprintable, text)))]


class Owner(BaseModel):
    """A process. Only those of one `host` and `machine` (its boot and PID namespace) see each other."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    host: Text
    machine: Text
    pid: int = Field(gt=0, lt=2**31)
    started: int | None
    """In ticks since boot: tells the process from a later one of the same number."""
    user: Text
    command: Text
    since: Text

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} (user {self.user}, {self.command}) since {self.since}"

    def is_neighbour(self, other: "Owner") -> bool:
        """Whether the two can look for each other."""
        return (self.host, self.machine) == (other.host, other.machine)

    def runs(self) -> bool:
        """Whether the process is alive; asked of a neighbour."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            # It runs, as another user.
            pass
        return _started(self.pid) in (None, self.started)


def myself() -> Owner:
    """This process, from now on."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    # The command without its arguments, which are nobody else's business.
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])
    return Owner(
        host=socket.gethostname(),
        machine=_machine(),
        pid=os.getpid(),
        started=_started(os.getpid()),
        user=user,
        command=command[:LONGEST_COMMAND],
        since=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """When a process began; `DEAD` for one that ended and nobody waited for, None where nothing tells."""
    try:
        # The name before the last bracket may hold anything.
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return DEAD if state in (b"Z", b"X") else int(fields[18])
