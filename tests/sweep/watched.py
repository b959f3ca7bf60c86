"""Set up in every worker of a test's cluster: GPUs that are none, and a line for each step of a trial.

Folder `WATCHED` gets the lines, a file a process. Trials go on when so many processes as the number in
its file `together` have begun, so that they meet.
"""

import json
import os
import time
from pathlib import Path


def watch():
    """Train on the CPU whatever GPU a trial was given."""
    import ray

    import study
    from study.sweep import trainable

    settle, step = trainable.settle, trainable.SetSumTrial.step

    def watched(trial):
        begin = time.time()
        result = step(trial)
        context = ray.get_runtime_context()
        row = {
            "trial": trial.number,
            "node": context.get_node_id(),
            "gpus": context.get_accelerator_ids().get("GPU", []),
            "process": os.getpid(),
            "begin": begin,
            "end": time.time(),
            "code": study.__file__,
            "images": mapped(),
        }
        with Path(os.environ["WATCHED"], f"{os.getpid()}.jsonl").open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        wait_for_others(Path(os.environ["WATCHED"]))
        return result

    trainable.settle = lambda *, threads, gpus: settle(threads=threads, gpus=0)
    trainable.SetSumTrial.step = watched


def wait_for_others(folder):
    """Until enough processes have begun a trial; who asks for fewer meanwhile is heard."""
    for _ in range(1200):
        if len(list(folder.glob("*.jsonl"))) >= int((folder / "together").read_text()):
            break
        time.sleep(0.1)


def mapped():
    """The images that this process has mapped into its memory."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return sorted({line.split(maxsplit=5)[5] for line in lines if line.endswith("images.npy")})
