"""Joining and starting Ray."""

import os
import socket
import subprocess
import sys

import pytest
import ray

from study.badinput import BadInput
from study.sweep.cluster import start_ray
from study.sweep.following import following, wanted


def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_an_address_where_nothing_answers_is_refused(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    for address in (f"127.0.0.1:{closed_port()}", "nonsense"):
        with (
            pytest.raises(BadInput, match=rf"--address {address}: no Ray cluster answers"),
            start_ray(address),
        ):
            pytest.fail("connected to nothing")


def test_a_client_s_address_is_refused_with_what_to_do_instead(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(BadInput, match="--address auto"), start_ray("ray://127.0.0.1:10001"):
        pytest.fail("connected as a client")


def test_a_cluster_that_does_not_answer_leaves_no_study_behind(tmp_path):
    address = f"127.0.0.1:{closed_port()}"
    command = [sys.executable, "-m", "study.cli", "run", "--out", tmp_path / "new", "--address", address]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_room_follows_the_nodes(monkeypatch):
    nodes = [{"Alive": True, "Resources": {"CPU": 4, "GPU": 2}}, {"Alive": True, "Resources": {"CPU": 3}}]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    monkeypatch.setattr("study.sweep.following.LOOK_EVERY_S", 0)
    by_cpu, by_gpu, asked_for = following(1, 0), following(1, 0.5), wanted(1, 0)
    assert (by_cpu(), by_gpu()) == (7, 4)
    nodes[0]["Alive"] = False
    assert (by_cpu(), by_gpu(), asked_for()) == (3, 0, 3)
    # What waits on a cluster is what makes it grow.
    monkeypatch.setattr("study.sweep.cluster._running", "joined")
    assert asked_for() == 4


@pytest.mark.usefixtures("local_ray")
def test_a_running_ray_is_used_and_left_running():
    with start_ray():
        pass
    assert ray.is_initialized()


def test_a_token_in_the_environment_does_not_keep_a_ray_of_our_own_from_working():
    program = (
        "import ray\n"
        "from study.sweep.cluster import start_ray\n"
        "with start_ray(cpus=1):\n"
        "    print(ray.get(ray.remote(lambda: 'works').remote(), timeout=60))\n"
    )
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "works", done.stderr


ON_GPUS = """
import os, time
import ray
from study.sweep.cluster import remotely

def who(seconds):
    time.sleep(seconds)
    return os.getpid(), os.environ["CUDA_VISIBLE_DEVICES"]

# GPUs that are only said to be there.
ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
task = remotely(who, cpus=1, gpus=1, retries=0)
# Both processes are idle when the second two begin.
found = [ray.get([task.remote(0.2), task.remote(0.3)]) for _ in range(2)]
for pair in found:
    assert {gpu for _, gpu in pair} == {"0", "1"}, pair
print(len({process for pair in found for process, _ in pair}))
"""


def test_on_gpus_no_two_tasks_share_a_process():
    """With one, the second would stay on the GPU of the first, whichever is free."""
    done = subprocess.run([sys.executable, "-c", ON_GPUS], capture_output=True, text=True, timeout=120)
    assert done.stdout.split()[-1:] == ["4"], done.stderr
