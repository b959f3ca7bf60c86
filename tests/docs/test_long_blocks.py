"""What `make test` leaves out of the pages because it takes long or does not end: run too, `slow`."""

import json
import os
import re
import signal
import subprocess
import urllib.request

import pytest
from pages import PAGES, ROOT, Block, blocks, name_of
from reader import Page

LONG = ("as long as the study takes", "needs the study above", "some minutes on two cores")
SERVES = "serves until Ctrl-C"
SMALL = {"arms": ["base", "set_sum"], "budget": {"trials": 3, "presentations": 60}, "confirm": {"top": 1}}
OWN = {
    "cohort": {"path": "cohort"},
    "split": {"test": 8},
    "preprocessing": {"shape": [10, 10, 10]},
    "resources": {"gpus_per_trial": 0, "cpus_per_trial": 1},
}


def with_fields(fields):
    """What a reader does to the study file."""
    return Block(
        "python",
        f"""
import json, yaml
study = yaml.safe_load(open("study.yaml"))
for key, value in json.loads({json.dumps(fields)!r}).items():
    study[key] = {{**study.get(key, {{}}), **value}} if isinstance(value, dict) else value
yaml.safe_dump(study, open("study.yaml", "w"))
""",
        0,
        "",
    )


def shell(text):
    return Block("sh", text, 0, "")


A_SCAN = 'cp "$(find {} -name FLAIR.nii.gz | head -n 1)" scan.nii.gz'
BEFORE = {
    "README.md": [with_fields(SMALL), shell(A_SCAN.format("my-scans"))],
    "docs/own_scans.md": [
        with_fields(SMALL | OWN),
        shell(A_SCAN.format("cohort")),
        shell("setsum phantom other-cohort --kind wmh --scans 10 --shape 12 --seed 1"),
    ],
    "docs/tracking.md": [shell("setsum init quick > study.yaml"), with_fields(SMALL)],
    "docs/tutorial.md": [],
}
"""What a reader does on a page before its first long command; the budgets are ours."""


def pages_with(*reasons):
    return {name_of(page) for page in PAGES if {block.reason for block in found(page)} & {*reasons}}


def found(page):
    return blocks((ROOT / page).read_text())


def test_no_page_is_left_out():
    assert pages_with(*LONG) == set(BEFORE)


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(BEFORE))
def test_what_takes_long_can_be_done(page, tmp_path, environment):
    reader, before = Page(tmp_path, environment), BEFORE[page]
    for block in found(page):
        if block.reason in LONG:
            for step in before:
                reader.run(step)
            before = []
        if not block.reason or block.reason in LONG:
            reader.run(block)
    reader.close()


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(pages_with(SERVES)))
def test_what_serves_answers_until_ctrl_c(page, tmp_path, environment):
    reader = Page(tmp_path, environment)
    for block in found(page):
        if block.reason == SERVES:
            assert answer(reader, block) == 200
        elif not block.reason:
            reader.run(block)
    reader.close()


def answer(reader, block):
    """The status of the page that a command serves; then it is interrupted and has to end."""
    serving = subprocess.Popen(
        ["bash", "-c", block.text],
        cwd=reader.folder,
        env=reader.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said = []
        for line in serving.stdout:
            said.append(line)
            if address := re.search(r"http://(localhost|127\.0\.0\.1):\S+", line):
                return urllib.request.urlopen(address[0], timeout=60).status
        raise AssertionError("".join(said))
    finally:
        os.killpg(serving.pid, signal.SIGINT)
        serving.communicate(timeout=60)
