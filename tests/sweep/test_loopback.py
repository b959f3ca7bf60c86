"""A Ray started here listens to this machine alone."""

import os
from ipaddress import IPv6Address
from pathlib import Path

import pytest
import ray

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are listed in /proc")
LISTENING = "0A"


def family(pid):
    """A process and everything it started, started by it in turn."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_bytes().rpartition(b")")[2].split()[1])
        except OSError:
            continue
    found, more = set(), {pid}
    while more:
        found |= more
        more = {child for child, parent in parents.items() if parent in found} - found
    return found


def sockets(pids):
    """Inode numbers of their sockets."""
    found = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                target = str(entry.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(target[8:-1])
    return found


def address(words):
    """As /proc writes it: 32-bit words, each in the machine's order."""
    packed = b"".join(bytes.fromhex(words[i : i + 8])[::-1] for i in range(0, len(words), 8))
    if len(packed) == 4:
        packed = b"\0" * 10 + b"\xff" * 2 + packed
    ip = IPv6Address(packed)
    return ip.ipv4_mapped or ip


def listening(pids):
    wanted = sockets(pids)
    rows = [
        line.split()
        for file in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{file}").read_text().splitlines()
    ]
    return [address(row[1].partition(":")[0]) for row in rows if row[3] == LISTENING and row[9] in wanted]


@pytest.mark.usefixtures("local_ray")
def test_every_socket_of_ray_is_bound_to_loopback():
    worker = ray.get(ray.remote(lambda: os.getpid()).remote())
    processes = family(os.getpid())
    assert worker in processes
    bound = listening(processes)
    assert len(bound) >= 5
    assert all(ip.is_loopback for ip in bound), bound
