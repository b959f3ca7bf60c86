"""deploy/slurm.sh with stand-ins for SLURM's commands: what it runs, how it ends, a study on two machines."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from machines import ADDRESSES, machines, may_make_machines

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "slurm.sh"
STAND_INS = {
    "scontrol": 'printf "%s\\n" node1 node2\n',
    # As on the first node: the driver's command, without Ray around it.
    "srun": 'printf "%s\\n" "$@" > "$SEEN/srun"; env > "$SEEN/env"\n'
    'while [[ $1 != -- ]]; do shift; done; shift; exec "$@"\n',
    "setsum": 'printf "%s\\n" "$@" > "$SEEN/setsum"\n'
    "trap 'sleep 1; echo saved > \"$SEEN/saved\"; exit 130' TERM\n"
    'touch "$SEEN/started"; for _ in $(seq ${SECONDS_OF_WORK}0); do sleep 0.1; done\n',
}


def put(folder, programs):
    folder.mkdir(exist_ok=True)
    for name, text in programs.items():
        (folder / name).write_text(f"#!/usr/bin/env bash\n{text}")
        (folder / name).chmod(0o755)
    return folder


def submit(tmp_path, *arguments, seconds=0):
    """The script as `sbatch` would run it on the first node."""
    commands = put(tmp_path / "bin", STAND_INS)
    environment = {
        **os.environ,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "SEEN": str(tmp_path),
        "SECONDS_OF_WORK": str(seconds),
        "SLURM_JOB_ID": f"test-{os.getpid()}",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_PER_TASK": "8",
    }
    return subprocess.Popen(["bash", SCRIPT, *arguments], env=environment, start_new_session=True)


def seen(tmp_path, name):
    return (tmp_path / name).read_text().splitlines()


def test_a_new_study_is_run_and_one_that_has_begun_is_resumed(tmp_path):
    assert subprocess.run(["bash", "-n", SCRIPT]).returncode == 0
    out = tmp_path / "my study"
    assert submit(tmp_path, "my study.yaml", out).wait(60) == 0
    assert seen(tmp_path, "setsum") == ["run", "my study.yaml", "--out", str(out), "--address", "auto"]
    assert seen(tmp_path, "srun")[:7] == [
        *("ray", "symmetric-run", "--address", "node1:6379", "--min-nodes", "2", "--num-cpus=8"),
    ]
    out.mkdir()
    (out / "study.yaml").touch()
    assert submit(tmp_path, "my study.yaml", out).wait(60) == 0
    assert seen(tmp_path, "setsum") == ["resume", str(out)]


def test_every_job_has_a_token_of_its_own(tmp_path):
    tokens = set()
    for _ in range(2):
        assert submit(tmp_path, "study.yaml", tmp_path / "out").wait(60) == 0
        variables = dict(line.split("=", 1) for line in seen(tmp_path, "env") if "=" in line)
        assert variables["RAY_AUTH_MODE"] == "token"
        assert len(bytes.fromhex(variables["RAY_AUTH_TOKEN"])) == 32
        tokens.add(variables["RAY_AUTH_TOKEN"])
    assert len(tokens) == 2


def test_term_before_the_time_is_over_lets_the_driver_save_and_is_waited_for(tmp_path):
    job = submit(tmp_path, "study.yaml", tmp_path / "out", seconds=60)
    while not (tmp_path / "started").exists():
        time.sleep(0.05)
    # SLURM's B: signals the script alone.
    job.send_signal(signal.SIGTERM)
    assert job.wait(30) == 130
    assert (tmp_path / "saved").exists()


def test_a_failed_study_fails_the_job(tmp_path, monkeypatch):
    monkeypatch.setitem(STAND_INS, "setsum", "exit 2\n")
    assert submit(tmp_path, "study.yaml", tmp_path / "out").wait(60) == 2


ON_MACHINES = {
    "scontrol": f'printf "%s\\n" {" ".join(ADDRESSES.values())}\n',
    # SLURM's daemons: a file asks for the command on the second machine.
    "srun": 'printf "%s\\0" "$@" > /mnt/ask.part; env -0 > /mnt/env; mv /mnt/ask.part /mnt/ask; exec "$@"\n',
    "setsum": f'PYTHONPATH={ROOT} exec {sys.executable} -m study.cli "$@"\n',
}
STUDY = """
format: 1
arms: [base]
phantom: {scans: 40, shape: [14, 14, 14]}
preprocessing: {shape: [10, 10, 10]}
split: {test: 10}
validation: {folds: 2}
budget: {trials: 4, presentations: 100}
training: {reports: 5, views: 1}
precision: float32
confirm: {top: 1, seeds: 1}
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not may_make_machines(), reason="machines are made of namespaces, which only root may make"
)
def test_a_study_on_two_machines(tmp_path):
    put(tmp_path / "bin", ON_MACHINES)
    (tmp_path / "study.yaml").write_text(STUDY)
    variables = {
        "PATH": f"/mnt/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_PER_TASK": "1",
        "RAY_worker_niceness": "0",
        "OMP_NUM_THREADS": "1",
    }
    with machines(tmp_path) as enter, (tmp_path / "log").open("wb") as log:
        begin = [*enter["node1"], "env", "--chdir=/mnt"]
        given = [f"{name}={value}" for name, value in variables.items()]
        script = ["bash", SCRIPT, "study.yaml", "/mnt/my-study"]
        job = subprocess.Popen([*begin, *given, *script], stdout=log, stderr=log)
        while not (tmp_path / "ask").exists():
            assert job.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.1)
        handed = (tmp_path / "env").read_bytes().split(b"\0")[:-1]
        asked = (tmp_path / "ask").read_bytes().split(b"\0")[:-1]
        other = subprocess.Popen([*enter["node2"], "env", "-i", *handed, *asked], stdout=log, stderr=log)
        assert job.wait(500) == 0, (tmp_path / "log").read_text()
        other.wait(60)
    study = tmp_path / "my-study"
    assert (study / "report.html").exists()
    rows = [
        json.loads(line) for line in (study / "sweeps/base/run-0001/results.jsonl").read_text().splitlines()
    ]
    assert {row["host"] for row in rows if "host" in row} == set(ADDRESSES)
    assert (pd.read_parquet(study / "trials.parquet")["status"] == "completed").sum() == 4
