"""Confirm jobs with a real Ray."""

import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tiny
import torch

from study.badinput import BadInput
from study.record import read_json
from study.regression.model import load_networks
from study.sweep import confirm
from study.sweep.confirm import run_jobs
from study.sweep.confirm_job import ConfirmJob
from study.sweep.confirmed import COLUMNS, collect_confirm
from study.sweep.interrupt import InterruptedInOrderError


def jobs_of(root, **changes):
    space = tiny.make_task(root).space
    config = space.resolve(space.points["default"])
    fields = {"arm": "base", "trial": 1, "config": config, "length": 20, "view_seed": 3}
    return [
        ConfirmJob(
            **{**fields, **changes},
            seed=seed,
            training_seed=100 + seed,
            folds=tiny.folds_of(tiny.SCANS - tiny.TEST),
            directory=root / "confirm" / "base" / f"1-{seed}",
            place=str(root / "confirm" / "base" / f"1-{seed}"),
        )
        for seed in range(2)
    ]


def run(root, jobs, patience=600.0, progress=lambda state: None):
    told = []
    run_jobs(
        jobs,
        arrays=root / "cohort",
        development=np.arange(tiny.SCANS - tiny.TEST),
        cpus_per_trial=2,
        gpus_per_trial=0,
        threads=1,
        states=str(root / "confirm"),
        patience=patience,
        progress=lambda event: (told.append(dict(event)), progress(event)),
    )
    return told


@pytest.mark.usefixtures("local_ray")
def test_jobs_train_for_the_length_keep_their_networks_and_are_not_repeated(tmp_path):
    jobs = jobs_of(tmp_path)
    assert run(tmp_path, jobs)[-1] == {"done": 2, "failed": 0, "total": 2}
    confirmed, oof = collect_confirm([job.directory for job in jobs])
    assert list(confirmed.columns) == list(COLUMNS)
    assert confirmed["length"].tolist() == [20, 20]
    assert confirmed["seed"].tolist() == [0, 1]
    assert confirmed["score"].nunique() == 2
    for seed, score in zip(confirmed["seed"], confirmed["mse"], strict=True):
        rows = oof[oof["seed"] == seed]
        assert np.mean((rows["prediction"] - rows["label"]) ** 2) == pytest.approx(score)
        assert set(rows["stage"]) == {"confirm"}
    assert len(load_networks(jobs[0].directory / "model.safetensors", jobs[0].config)) == 2

    written = jobs[0].directory.joinpath("result.json").stat().st_mtime_ns
    assert run(tmp_path, jobs) == [{"done": 2, "failed": 0, "total": 2}]
    assert jobs[0].directory.joinpath("result.json").stat().st_mtime_ns == written
    longer = [replace(jobs[0], length=30), jobs[1]]
    assert run(tmp_path, longer)[0]["done"] == 1
    assert read_json(jobs[0].directory / "result.json")["length"] == 30


@pytest.mark.usefixtures("local_ray")
def test_a_failing_job_is_recorded_retried_later_and_the_others_go_on(tmp_path, monkeypatch):
    good, bad = jobs_of(tmp_path)
    whole = confirm.train
    name = bad.directory.name

    def sometimes(job, assignment):
        if job.directory.name == name:
            raise RuntimeError("out of luck")
        return whole(job, assignment)

    monkeypatch.setattr(confirm, "train", sometimes)
    assert run(tmp_path, [bad, good])[-1] == {"done": 1, "failed": 1, "total": 2}
    confirmed, oof = collect_confirm([good.directory, bad.directory, tmp_path / "never"])
    assert confirmed["status"].tolist() == ["completed", "failed"]
    assert confirmed["reason"].tolist() == ["", "RuntimeError: out of luck"]
    assert np.isnan(confirmed["score"][1])
    assert oof["seed"].unique().tolist() == [0]
    monkeypatch.undo()
    assert run(tmp_path, [bad, good])[-1] == {"done": 2, "failed": 0, "total": 2}


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_a_hanging_job_is_ended_and_tried_again(tmp_path, monkeypatch):
    whole, hung = confirm.train, tmp_path / "hung"

    def hanging(job, assignment):
        if not hung.exists():
            hung.touch()
            time.sleep(3600)
        return whole(job, assignment)

    monkeypatch.setattr(confirm, "train", hanging)
    assert run(tmp_path, jobs_of(tmp_path)[:1], patience=15.0)[-1] == {"done": 1, "failed": 0, "total": 1}


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_ctrl_c_keeps_the_state_and_the_rest_gives_the_same_result(tmp_path):
    config = jobs_of(tmp_path)[0].config.model_copy(update={"presentations": 1600, "reports": 16})
    jobs = jobs_of(tmp_path, config=config, length=1600)[:1]
    state = jobs[0].directory / "state.pt"

    def interrupt():
        while not state.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(InterruptedInOrderError):
        run(tmp_path, jobs)
    kept = len(torch.load(state, weights_only=True)["reports"])
    assert 1 <= kept < 16
    assert run(tmp_path, jobs)[-1]["done"] == 1
    assert not state.exists()

    alone = [replace(jobs[0], directory=tmp_path / "alone", place=str(tmp_path / "alone"))]
    run(tmp_path, alone)
    assert (alone[0].directory / "model.safetensors").read_bytes() == (
        jobs[0].directory / "model.safetensors"
    ).read_bytes()
    again, whole = (read_json(job.directory / "result.json") for job in (jobs[0], alone[0]))
    assert {**again, "seconds": 0} == {**whole, "seconds": 0}


@pytest.mark.usefixtures("local_ray")
def test_ctrl_c_as_the_last_job_ends_keeps_what_comes_after_from_beginning(tmp_path):
    def interrupt(state):
        if state["done"]:
            os.kill(os.getpid(), signal.SIGINT)

    job = jobs_of(tmp_path)[0]
    with pytest.raises(InterruptedInOrderError):
        run(tmp_path, [job], progress=interrupt)
    assert run(tmp_path, [job]) == [{"done": 1, "failed": 0, "total": 1}]


@pytest.mark.usefixtures("local_ray")
def test_a_diverging_job_is_a_result(tmp_path):
    settings = jobs_of(tmp_path)[0].config.model_copy(update={"learning_rate": 1e6, "averaging": 0.0})
    jobs = jobs_of(tmp_path, config=settings)[:1]
    assert run(tmp_path, jobs)[-1]["failed"] == 1
    confirmed, oof = collect_confirm([jobs[0].directory])
    assert confirmed["status"].tolist() == ["diverged"]
    assert isinstance(oof, pd.DataFrame)
    assert oof.empty
    assert run(tmp_path, jobs) == [{"done": 1, "failed": 0, "total": 1}]


def test_a_missing_cohort_is_refused_before_any_work(tmp_path):
    jobs = jobs_of(tmp_path)
    (tmp_path / "cohort" / "cohort.json").unlink()
    with pytest.raises(BadInput, match="no preprocessed cohort"):
        run(tmp_path, jobs)
