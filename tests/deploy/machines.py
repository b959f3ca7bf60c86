"""Two machines on this one: names, networks, processes and /tmp of their own, and a shared disk at /mnt.

Linux namespaces; needs the right to make them.
"""

import subprocess
from contextlib import contextmanager
from pathlib import Path

ADDRESSES = {"node1": "10.77.41.1", "node2": "10.77.41.2"}
OWN = ["unshare", "--pid", "--mount", "--net", "--uts", "--mount-proc", "--fork", "--kill-child"]


def may_make_machines():
    return subprocess.run([*OWN, "true"], capture_output=True, check=False).returncode == 0


@contextmanager
def machines(shared):
    """For each name the beginning of a command that runs there."""
    started = {}
    try:
        for name in ADDRESSES:
            begin = f"hostname {name} && mount --bind {shared} /mnt && mount -t tmpfs tmpfs /tmp"
            started[name] = subprocess.Popen(
                [*OWN, "sh", "-c", f"{begin} && echo ready && exec sleep infinity"], stdout=subprocess.PIPE
            )
            assert started[name].stdout.readline() == b"ready\n"
        inside = {name: first_child(process.pid) for name, process in started.items()}
        enter = {name: ["nsenter", "--target", pid, "--all"] for name, pid in inside.items()}
        connect(inside, enter)
        yield enter
    finally:
        for process in started.values():
            process.kill()
            process.wait()


def connect(inside, enter):
    ends = {"node1": "setsum-a", "node2": "setsum-b"}
    run("ip", "link", "add", ends["node1"], "type", "veth", "peer", "name", ends["node2"])
    for name, end in ends.items():
        run("ip", "link", "set", end, "netns", inside[name])
        run(*enter[name], "ip", "address", "add", f"{ADDRESSES[name]}/24", "dev", end)
        for link in ("lo", end):
            run(*enter[name], "ip", "link", "set", link, "up")


def first_child(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]


def run(*command):
    subprocess.run(command, check=True, capture_output=True)
