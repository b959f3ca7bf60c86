"""Joining and starting Ray."""

import os
import socket
import subprocess
import sys

import pytest
import ray

from study.badinput import BadInput
from study.sweep.cluster import start_ray


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
