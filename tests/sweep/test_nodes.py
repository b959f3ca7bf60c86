"""A sweep over two real Ray nodes: where its trials ran, on which GPUs, from which copy of the cohort."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nets
import pytest
import tiny
from clusters import ROOT, bare_python, cluster, may_mount, until

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="what is mapped is listed in /proc"
)
HERE = Path(__file__).parent


def driver(nodes, study, count, **changes):
    """A driver on the cluster, with this tree's code."""
    return subprocess.Popen(
        [sys.executable, HERE / "clusters.py", nodes.address, study, str(count), json.dumps(changes)],
        env=nodes.environment | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def steps(study):
    """Every step of every trial, from all workers."""
    lines = [line for file in (study / "steps").glob("*.jsonl") for line in file.read_text().splitlines()]
    return sorted(map(json.loads, lines), key=lambda row: row["begin"])


def most_at_once(rows):
    """Of the spans from a process's first step of a trial to its last, the most that overlap."""
    spans = {}
    for row in rows:
        begin, end = spans.get((row["process"], row["trial"]), (row["begin"], row["end"]))
        spans[row["process"], row["trial"]] = min(begin, row["begin"]), max(end, row["end"])
    return max(sum(begin <= at < end for begin, end in spans.values()) for at, _ in spans.values())


def new_study(folder, together):
    tiny.write_cohort(folder / "cohort")
    for name in ("steps", "unshared", "other-temporary"):
        (folder / name).mkdir()
    (folder / "steps" / "together").write_text(str(together))
    (folder / "unshared" / "mynets.py").write_text(nets.CONVOLUTION)
    return folder


def other_machine(nodes, study, *arguments):
    """A node that has no setsum, another temporary folder, and of the study's folders not all."""
    return nodes.join(
        *arguments,
        python=bare_python(study / "python"),
        hidden=[study / "cohort", study / "unshared"],
        TMPDIR=str(study / "other-temporary"),
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return new_study(tmp_path_factory.mktemp("two-nodes"), together=4)


@pytest.fixture(scope="module")
def swept(study):
    """What the driver told of eight trials over two nodes, two to a GPU, one GPU a node."""
    with cluster(study) as nodes:
        nodes.head("--num-cpus=2", "--num-gpus=1")
        other_machine(nodes, study, "--num-cpus=2", "--num-gpus=1")
        stranger = subprocess.Popen(
            [sys.executable, "-m", "study.cli", "run", "--out", study / "x", "--address", nodes.address],
            env=nodes.environment | {"PYTHONPATH": str(ROOT), "RAY_AUTH_TOKEN": "0" * 64},
            stderr=subprocess.PIPE,
            text=True,
        )
        resources = {"cpus_per_trial": 1, "gpus_per_trial": 0.5}
        own = {"precision": "float32", "regressor": f"{study}/unshared/mynets.py:Small"}
        work = driver(nodes, study, 2, trials=8, training={**tiny.TRAINING, **own}, **resources)
        out, trouble = work.communicate(timeout=400)
        assert work.returncode == 0, trouble
        told = stranger.communicate(timeout=100)[1]
        doctor = subprocess.run(
            [sys.executable, "-m", "study.cli", "doctor", "--address", nodes.address, "--json"],
            env=nodes.environment | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
    return {**json.loads(out), "stranger": (stranger.returncode, told), "doctor": doctor}


def test_trials_run_on_both_nodes_with_a_network_whose_file_only_one_sees(swept, study):
    rows = steps(study)
    assert len({row["node"] for row in rows}) == 2
    assert {row["trial"] for row in rows} == set(range(8))
    assert len(list((study / "sweeps" / "base").glob("run-*"))) == 1


def test_as_many_trials_share_a_gpu_as_allowed_and_no_more(swept, study):
    rows = steps(study)
    assert all(len(row["gpus"]) == 1 for row in rows)
    cards = {(row["node"], row["gpus"][0]) for row in rows}
    shared = [most_at_once([row for row in rows if (row["node"], row["gpus"][0]) == card]) for card in cards]
    assert shared == [2, 2]


def test_a_node_without_the_study_s_cohort_maps_a_copy_of_its_own(swept, study):
    images = {row["node"]: set() for row in steps(study)}
    for row in steps(study):
        images[row["node"]] |= set(row["images"])
    copy = study / "other-temporary" / f"setsum-cohorts-{os.getuid()}" / "tiny" / "images.npy"
    assert sorted(map(sorted, images.values())) == sorted([[str(study / "cohort/images.npy")], [str(copy)]])
    assert copy.read_bytes() == (study / "cohort" / "images.npy").read_bytes()


def test_the_package_s_code_is_the_driver_s_on_every_node(swept, study):
    python = study / "python" / "bin" / "python"
    alone = subprocess.run(
        [python, "-c", "import torch, study"],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert "No module named 'study'" in alone.stderr
    codes = {Path(row["code"]).parts[-3:-1] for row in steps(study)}
    assert {folder for _, folder in codes} == {"study"}
    assert {package[:8] for package, _ in codes} == {"_ray_pkg"}
    assert len(codes) == 1


@pytest.mark.skipif(not may_mount(), reason="a folder is hidden from a node by mounting over it")
def test_a_node_that_cannot_write_to_the_storage_is_named_before_any_trial(swept, study):
    assert "/unshared: the node" in swept["refused"]
    assert swept["refused"].count("127.0.0.") == 1
    assert "(127.0.0.3) does not see this folder" in swept["refused"]


def test_a_driver_with_another_token_is_turned_away_and_leaves_nothing(swept, study):
    code, told = swept["stranger"]
    assert (code, told.count("\n")) == (2, 1), told
    assert "RAY_AUTH_TOKEN" in told
    assert not (study / "x").exists()


def test_the_doctor_lists_the_nodes_and_what_a_study_would_choose_there(swept):
    found = [
        (finding["topic"], finding["found"]) for finding in json.loads(swept["doctor"].stdout)["findings"]
    ]
    nodes = sorted(said for topic, said in found if topic == "Ray node")
    assert [said.partition("(")[2] for said in nodes] == [
        "127.0.0.2): 2 CPUs, 1 GPUs",
        "127.0.0.3): 2 CPUs, 1 GPUs",
    ]
    assert swept["doctor"].returncode == 0
    assert ("trials at once", "4") in found


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_concurrency_follows_nodes_that_come_and_go(tmp_path, number):
    study = new_study(tmp_path, together=2)
    together, events = study / "steps" / "together", study / "events"

    def running():
        lines = events.read_text().splitlines() if events.exists() else []
        return json.loads(lines[-1])["running"] if lines else 0

    with cluster(study) as nodes:
        nodes.head("--num-cpus=1")
        work = driver(nodes, study, 1, trials=12)
        until(lambda: running() == 1, "a trial on the first node")
        node = other_machine(nodes, study, "--num-cpus=1")
        # Trials wait for each other until two processes have begun.
        until(lambda: len({row["process"] for row in steps(study)}) == 2, "a trial on the second node")
        assert running() == 2
        together.write_text("99")
        nodes.stop(node, number)
        until(lambda: running() == 1, "the second node's trial is given up")
        together.write_text("0")
        trouble = work.communicate(timeout=400)[1]
    assert work.returncode == 0, trouble
    told = [json.loads(line) for line in events.read_text().splitlines()]
    assert (told[-1]["done"], told[-1]["failed"]) == (12, 0)
    assert max(row["running"] for row in told) == 2
    rows = steps(study)
    left = max(row["end"] for row in rows if row["node"] != rows[0]["node"])
    assert most_at_once([row for row in rows if row["begin"] > left]) == 1
