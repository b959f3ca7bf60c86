"""The plan of a dry run: counts against those of the study itself, time against arithmetic."""

import io
import json
import signal
import subprocess
import sys

import pytest
import torch
import yaml
from tiny_study import TINY_STUDY

from study.badinput import BadInput
from study.cli import main
from study.pipeline import plan as plan_module
from study.pipeline import rehearsal
from study.pipeline.plan import makespan, plan_study, typical
from study.pipeline.planned import plan_document, plan_lines
from study.pipeline.prepare import prepare
from study.pipeline.progress import Progress
from study.pipeline.rehearsal import Pace, Stage, rehearse, rehearsed_training, rehearser
from study.regression.config import TrialConfig
from study.settings import read_settings

SMALL = (*TINY_STUDY, "budget.presentations=100", "training.reports=4")
PACE = Pace(presentation_s=0.01, prediction_s=0.1, peak_bytes=5e8, state_bytes=4_000_000)
NODE = {"CPU": 2.0, "GPU": 0.0}


def known(configs, stage):
    """A pace of round numbers in place of a measurement, and ten seconds for a process."""
    return [PACE for _ in configs], 10.0


def plan(*fields):
    return plan_study(read_settings(None, [*SMALL, *fields]), [NODE], known)


def test_the_plan_s_counts_are_those_of_the_study(tmp_path):
    planned = plan()
    settings = read_settings(None, list(SMALL))
    study = prepare(settings, tmp_path / "study", Progress(quiet=True))
    assert (planned.scans, planned.development, planned.test) == (26, 20, 6)
    assert (planned.development, planned.test) == (len(study.development), len(study.test))
    assert planned.folds == len(study.folds) == 2
    assert [arm.arm for arm in planned.arms] == list(study.spaces)
    for arm in planned.arms:
        assert (arm.trials, arm.networks, arm.presentations) == (3, 6, 600)
        assert (arm.confirmations, arm.confirm_networks, arm.confirm_presentations) == (4, 8, 800)


def test_time_is_training_and_predicting_in_waves_of_trials():
    planned = plan()
    # 2 networks of 100 presentations, and 20 scans predicted at 4 reports and twice more at the end.
    assert planned.arms[0].trial_s == pytest.approx(2 * 100 * 0.01 + 6 * 20 * 0.1)
    # 3 trials, 2 at once.
    assert planned.arms[0].search_s == pytest.approx(2 * 14.0)
    assert planned.search_s == pytest.approx(4 * 14.0)
    assert planned.confirm_s == pytest.approx(4 * 14.0)
    assert planned.start_s == 30.0


def test_an_arm_that_searches_nothing_has_one_trial_and_hours_stand_for_themselves():
    fixed = plan("search.sampler=paper", "arms=[base]")
    assert [(arm.trials, arm.confirmations) for arm in fixed.arms] == [(1, 2)]
    timed = plan("budget.hours=2")
    assert [(arm.trials, arm.search_s) for arm in timed.arms] == [(None, 7200.0)] * 2
    assert "   ?   " in "\n".join(plan_lines(document_of(timed_settings())))


def timed_settings():
    return read_settings(None, [*SMALL, "budget.hours=2"])


def document_of(settings, tmp="/tmp"):
    from pathlib import Path

    return plan_document(settings, Path(tmp))


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("study.pipeline.planned.rehearser", lambda: known)


def test_jobs_wait_for_a_free_place():
    assert makespan([], 2) == 0
    assert makespan([3, 3, 3], 2) == 6
    assert makespan([5, 1, 1, 1], 2) == 5


def test_disk_is_what_a_study_writes(tmp_path):
    planned = plan()
    settings = read_settings(None, list(SMALL))
    study = prepare(settings, tmp_path / "study", Progress(quiet=True))
    arrays = (study.directory.cohort / "images.npy").stat().st_size
    phantom = sum(path.stat().st_size for path in (tmp_path / "study" / "phantom").rglob("*.gz"))
    assert arrays == pytest.approx(planned.disk["cohort"], rel=0.01)
    assert phantom <= planned.disk["phantom"]
    # Two trainings an arm and seed, two exported models an arm; a quarter of a checkpoint a network.
    assert planned.disk["models"] == (8 + 4) * 2 * 1_000_000
    assert planned.disk["checkpoints"] == 2 * 2 * 4_000_000


def test_what_cannot_run_is_refused_and_no_folder_is_made(tmp_path, monkeypatch, capsys):
    with pytest.raises(BadInput, match="no room for a single trial"):
        plan("resources.cpus_per_trial=64")
    for fields in (["split.test=40"], ["arms=[basis]"], ["arms=[set_sum]", "split.test=20"]):
        with pytest.raises(BadInput):
            plan(*fields)
    arguments = ["run", "--dry-run", "--out", str(tmp_path / "study"), *SMALL]
    monkeypatch.setattr(sys, "argv", ["setsum", *arguments])
    main()
    told = capsys.readouterr().out
    assert yaml.safe_load(told) == read_settings(None, list(SMALL)).model_dump(mode="json")
    assert told.startswith("# 26 scans, a phantom cohort that is made first: 20 to develop on, 6 locked away")
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "study.yaml"
    file.write_text(told)
    assert read_settings(file) == read_settings(None, list(SMALL))


def test_the_plan_as_json_holds_the_study_file_too(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["setsum", "run", "--dry-run", "--json", *SMALL])
    main()
    document = json.loads(capsys.readouterr().out)
    assert (document["format"], document["kind"]) == (1, "study")
    assert document["plan"]["confirm"] == {"trainings": 8, "networks": 16, "presentations": 1600}
    assert document["plan"]["seconds"]["total"] == pytest.approx(30 + 8 * 14.0)
    assert document["plan"]["memory"] == {"a_training": 5e8, "total": 1e9}
    assert document["settings"]["budget"]["trials"] == 3
    assert document["machine"]["free_disk"] > 0
    assert document["not_checked"]


def test_a_series_and_a_map_have_plans(tmp_path):
    series = read_settings(None, [*SMALL, "series={a: {budget.trials: 4}, b: {training.loss: mae}}"])
    document = document_of(series)
    assert {name: each["arms"][0]["trials"] for name, each in document["studies"].items()} == {"a": 4, "b": 3}
    assert plan_lines(document)[0] == "study a"
    nested = document_of(read_settings(None, [*SMALL, "split.test=0.5", "validation.outer_folds=3"]))
    assert list(nested["studies"]) == ["fold-1", "fold-2", "fold-3"]
    mapped = read_settings(
        None, ["arms=[base, set_sum]", "map={scans: [12, 24], rater_noise: [0], presentations: [500, 1000]}"]
    )
    assert document_of(mapped)["map"] == {"trainings": 2 * 2 * 5, "presentations": 20_000}


def test_a_rehearsal_is_a_training_of_the_grid_it_stands_for(monkeypatch):
    monkeypatch.setattr(rehearsal, "MEASURED_S", 0.05)
    config = TrialConfig(n=4, p=0.25, scans_per_step=8, learning_rate=5.0)
    pace = rehearse(config, (8, 9, 10), "cpu")
    assert pace.presentation_s > 0
    assert pace.prediction_s > 0
    assert pace.peak_bytes > 1e6
    training = rehearsed_training(config, (8, 9, 10), "cpu")
    assert training.images_MDHW.shape[1:] == (8, 9, 10)
    training.trainings[0].advance(8)
    state = io.BytesIO()
    torch.save(training.state_dict(), state)
    assert pace.state_bytes == pytest.approx(state.getbuffer().nbytes, rel=0.01)


def test_alike_configurations_are_rehearsed_once(monkeypatch):
    asked = []

    def together(configs, stage):
        asked.extend(configs)
        return [PACE for _ in configs], 1.0

    monkeypatch.setattr(rehearsal, "rehearse_together", together)
    stage = Stage(shape=(8, 8, 8), device="cpu", threads=1, at_once=2)
    rehearsed = rehearser()
    one, two = TrialConfig(), TrialConfig(dropout=0.2)
    assert rehearsed([one], stage) == ([PACE], 1.0)
    assert rehearsed([one, two], stage) == ([PACE, PACE], 1.0)
    assert asked == [one, two]
    kinds = {plan_module._kind(TrialConfig(learning_rate=rate)) for rate in (1e-3, 2e-3)}
    assert len(kinds) == 1


def test_a_rehearsal_s_processes_end_with_the_one_that_was_killed(tmp_path):
    program = """
import os, signal, sys, threading, time
from multiprocessing import active_children
from study.pipeline.rehearsal import Stage, rehearse_together
from study.regression.config import TrialConfig

def die():
    while len(children := active_children()) < 2:
        time.sleep(0.1)
    print(*(child.pid for child in children), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

if __name__ == "__main__":
    threading.Thread(target=die, daemon=True).start()
    rehearse_together([TrialConfig()], Stage(shape=(16, 16, 16), device="cpu", threads=1, at_once=2))
"""
    file = tmp_path / "rehearse.py"
    file.write_text(program)
    # They hold the pipe too: it ends only when all of them have.
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGTERM
    assert len(done.stdout.split()) == 2


def test_the_typical_configuration_is_the_default_one():
    settings = read_settings(None, list(SMALL))
    from study.pipeline.prepared import read_spaces

    spaces = read_spaces(settings)
    assert typical(spaces["set_sum"]) == spaces["set_sum"].resolve(spaces["set_sum"].points["default"])
