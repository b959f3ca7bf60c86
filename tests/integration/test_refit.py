"""`setsum export --refit`: networks of all development scans, interrupted, killed, and trained again."""

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from rich.console import Console
from safetensors.torch import load_file
from tiny_study import TINY_STUDY

from study.badinput import BadInput
from study.pipeline.confirm import confirm, winners
from study.pipeline.export import export
from study.pipeline.predict import predict_scans
from study.pipeline.prepare import prepare
from study.pipeline.progress import Progress
from study.pipeline.refit import refit
from study.pipeline.search import search
from study.pipeline.test import test as open_test_scans
from study.pipeline.train import train
from study.record import read_frame, read_json, write_json, write_yaml
from study.regression.recipe import read_recipe
from study.regression.training import NetworkTraining
from study.settings import read_settings
from study.sweep.cluster import start_ray

LONG = ["arms=[set_sum]", "budget.presentations=400", "training.reports=50", "confirm.top=1"]
COMMAND = [sys.executable, "-m", "study.cli"]
ROOT = Path(__file__).parents[2]
QUIET = Progress(Console(quiet=True))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A study up to its export."""
    settings = read_settings(None, [*TINY_STUDY, *LONG])
    prepared = prepare(settings, tmp_path_factory.mktemp("out") / "study", QUIET)
    with start_ray(None):
        search(prepared, QUIET)
        confirm(prepared, QUIET)
    open_test_scans(prepared, QUIET)
    export(prepared)
    return prepared


def under_way(prepared, later_than=0):
    """A command that has saved a report since then."""
    root = prepared.directory.root
    command = [*COMMAND, "export", str(root), "--refit"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    end = time.monotonic() + 120
    while not [path for path in root.glob("refit/*/*/state.pt") if path.stat().st_mtime_ns > later_than]:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.02)
    return process


@pytest.fixture(scope="module")
def interrupted(prepared):
    """What the command said when it was stopped, before it was killed and then left to its end."""
    first = under_way(prepared)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 130, said
    second = under_way(prepared, later_than=time.time_ns())
    second.kill()
    second.communicate()
    subprocess.run([*COMMAND, "export", str(prepared.directory.root), "--refit", "-q"], check=True, cwd=ROOT)
    return said


@pytest.fixture(scope="module")
def folder(prepared, interrupted):
    return prepared.directory.export / "set_sum" / "refit"


def test_the_networks_are_those_that_training_on_all_development_scans_gives(prepared, folder):
    """By another way, without folds, predictions or a process between."""
    recipe, ours = read_recipe(folder / "config.yaml"), load_file(folder / "model.safetensors")
    assert recipe.refit
    assert recipe.seeds == tuple(map(prepared.confirm_seed, (0, 1)))
    assert {name.partition(".")[0] for name in ours} == {"0", "1"}
    threads = torch.get_num_threads()
    torch.set_num_threads(recipe.threads)
    try:
        for number, seed in enumerate(recipe.seeds):
            training = NetworkTraining(
                recipe.config,
                prepared.images_MDHW,
                prepared.labels_M,
                seeds=np.random.SeedSequence([seed, 0, 0]),
            )
            training.advance(recipe.length)
            for name, tensor in training.predictor().state_dict().items():
                assert torch.equal(ours[f"{number}.{name}"], tensor), name
    finally:
        torch.set_num_threads(threads)


def test_after_an_interruption_and_a_kill_it_ends_as_if_left_alone(prepared, folder, interrupted):
    assert interrupted.splitlines()[-1] == (
        "setsum: interrupted, everything so far is saved; go on with: the same command"
    )
    names = ("model.safetensors", "card.json", "config.yaml")
    before = {name: (folder / name).read_bytes() for name in names}
    shutil.rmtree(prepared.directory.refit)
    assert refit(prepared, QUIET) == [folder]
    assert {name: (folder / name).read_bytes() for name in names} == before


def test_nothing_is_trained_twice_and_the_confirmed_networks_stay(prepared, folder):
    export_folder = folder.parent
    kept = [*prepared.directory.refit.rglob("result.json"), export_folder / "model.safetensors"]
    before = {path: path.stat().st_mtime_ns for path in kept[:-1]}
    weights = kept[-1].read_bytes()
    assert len(before) == 2
    refit(prepared, QUIET)
    export(prepared)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert kept[-1].read_bytes() == weights
    assert read_recipe(folder / "config.yaml").refit
    assert not read_recipe(export_folder / "config.yaml").refit


def test_the_card_says_that_the_scores_are_of_other_networks(prepared, folder, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    card, of_folds = (json.loads((place / "card.json").read_text()) for place in (folder, folder.parent))
    assert ModelCard.load(folder / "card.md").data.eval_results is None
    assert (card["confirmed"], card["test"]) == (of_folds["confirmed"], of_folds["test"])
    assert (card["networks"], of_folds["networks"], of_folds["refit"]) == (2, 4, None)
    assert card["trained_on"] == {**of_folds["trained_on"], "folds": None}
    text = " ".join((folder / "card.md").read_text().split())
    assert "**These networks have no scores of their own.**" in text
    assert "trained them again on all development scans, one with each of 2 seeds" in text


def test_it_predicts_the_scans_it_was_trained_on_without_a_warning(prepared, folder):
    table = predict_scans(folder, [prepared.settings.cohort.path], [], QUIET).set_index("id")
    development = [prepared.arrays.ids[row] for row in prepared.development]
    assert set(table.loc[development, "warning"]) == {""}
    mse = np.mean(read_json(folder / "card.json")["refit"]["training_mse"])
    # The mean over networks is no worse than networks are in the mean.
    assert ((table.loc[development, "prediction"] - prepared.labels_M) ** 2).mean() <= mse * (1 + 1e-5)


def test_its_recipe_trains_the_same_networks_without_ray(prepared, folder, tmp_path):
    out, cohort = tmp_path / "model", str(prepared.settings.cohort.path)
    done = subprocess.run(
        [*COMMAND, "train", str(folder / "config.yaml"), "--cohort", cohort, "--out", str(out)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    mse = read_json(folder / "card.json")["refit"]["training_mse"]
    seeds = read_recipe(folder / "config.yaml").seeds
    for line, seed, fit in zip(done.stdout.splitlines()[:2], seeds, mse, strict=True):
        assert line.startswith(f"seed {seed}: of the training scans themselves MSE {fit:.4g}, ")
    assert (out / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_a_seed_that_diverged_is_left_out_and_without_any_there_is_no_refit(prepared, folder, capsys):
    results = sorted(prepared.directory.refit.rglob("result.json"))
    before = [read_json(path) for path in results]
    try:
        write_json(results[0], {**before[0], "status": "diverged", "reason": "loss inf at step 3"})
        refit(prepared, Progress())
        trial = winners(prepared)["set_sum"]
        said = f"warning: refit of set_sum, trial {trial}, seed 0: diverged (loss inf at step 3), left out"
        assert said in capsys.readouterr().err
        assert read_json(folder / "card.json")["networks"] == 1
        assert read_recipe(folder / "config.yaml").seeds == (prepared.confirm_seed(1),)
        write_json(results[1], {**before[1], "status": "diverged", "reason": "loss inf at step 5"})
        with pytest.raises(BadInput, match="no refit succeeded"):
            refit(prepared, QUIET)
        assert not folder.exists()
    finally:
        for path, content in zip(results, before, strict=True):
            write_json(path, content)
        refit(prepared, QUIET)


def test_it_opens_no_test_scan(prepared, folder):
    assert read_json(folder / "card.json")["test_opened"] == 1
    assert set(read_frame(prepared.directory.predictions)["cohort"]) == {"test"}


def test_a_refit_whose_last_report_is_worse_than_the_mean_label_is_said_to_be_stuck(prepared, folder, capsys):
    first = min(prepared.directory.refit.rglob("result.json"))
    before = read_json(first)
    try:
        write_json(first, {**before, "verdict": "converged", "mse": 26 * prepared.labels_M.var()})
        refit(prepared, Progress())
        assert (
            "seed 0: fits its own training scans not clearly better than their mean label"
            in capsys.readouterr().err
        )
        assert read_json(folder / "card.json")["refit"]["stuck"][0]
    finally:
        write_json(first, before)
        refit(prepared, QUIET)


def test_an_export_brings_the_refits_card_up_to_date(prepared, folder):
    open_test_scans(prepared, QUIET)
    export(prepared)
    assert (
        read_json(folder / "card.json")["test_opened"]
        == read_json(folder.parent / "card.json")["test_opened"]
        == 2
    )


def test_a_refit_that_lacks_a_confirmed_seed_goes_with_the_next_export_and_comes_back(prepared, folder):
    weights = (folder / "model.safetensors").read_bytes()
    first, second = sorted(prepared.directory.refit.rglob("result.json"))
    kept = second.stat().st_mtime_ns
    first.unlink()
    export(prepared)
    assert not folder.exists()
    assert refit(prepared, QUIET) == [folder]
    assert (folder / "model.safetensors").read_bytes() == weights
    assert second.stat().st_mtime_ns == kept


def test_a_failure_is_tried_again_on_the_studys_cluster(prepared, folder, monkeypatch):
    """And not on the machine that the command runs on."""
    first = min(prepared.directory.refit.rglob("result.json"))
    before, asked = read_json(first), []

    def join(address):
        asked.append(address)
        raise BadInput("away")

    monkeypatch.setattr("study.pipeline.confirm.start_ray", join)
    resources = prepared.settings.resources.model_copy(update={"address": "10.9.9.9:6379"})
    elsewhere = replace(prepared, settings=prepared.settings.model_copy(update={"resources": resources}))
    try:
        write_json(first, {**before, "status": "failed", "reason": "a node was lost"})
        with pytest.raises(BadInput, match="away"):
            refit(elsewhere, QUIET)
        assert asked == ["10.9.9.9:6379"]
    finally:
        write_json(first, before)


def test_a_driver_without_a_gpu_opens_the_test_scans_of_a_study_on_gpus(prepared, monkeypatch):
    """As on the head of a cluster: on its CPU, with the same predictions up to rounding."""
    before = read_frame(prepared.directory.predictions)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    resources = prepared.settings.resources.model_copy(update={"gpus_per_trial": 1.0})
    on_gpus = replace(prepared, settings=prepared.settings.model_copy(update={"resources": resources}))
    assert on_gpus.settings.resources.gpus
    open_test_scans(on_gpus, QUIET)
    after = read_frame(prepared.directory.predictions)
    np.testing.assert_allclose(after["prediction"], before["prediction"], rtol=1e-4)


@pytest.mark.parametrize(
    ("out", "what"),
    [(".", "is a study. "), ("export/set_sum/refit", "is a study's export, with a card of its own")],
)
def test_training_does_not_write_over_a_study_or_an_export(prepared, folder, out, what):
    place = prepared.directory.root / out
    before = {path: path.stat().st_mtime_ns for path in prepared.directory.root.rglob("*")}
    with pytest.raises(BadInput, match=what):
        train(read_recipe(folder / "config.yaml"), prepared.settings.cohort.path, place, QUIET)
    assert {path: path.stat().st_mtime_ns for path in prepared.directory.root.rglob("*")} == before


@pytest.mark.parametrize("fields", [{"seeds": []}, {"seeds": [-1]}, {"view_seed": -4}])
def test_a_recipe_without_usable_seeds_is_refused(folder, tmp_path, fields):
    content = read_recipe(folder / "config.yaml").model_dump(mode="json")
    write_yaml(tmp_path / "recipe.yaml", {**content, **fields})
    with pytest.raises(BadInput, match=rf"recipe.yaml: `{next(iter(fields))}"):
        read_recipe(tmp_path / "recipe.yaml")


def test_a_training_that_diverges_ends_in_one_line(prepared, folder, tmp_path):
    content = read_recipe(folder / "config.yaml").model_dump(mode="json")
    wild = {**content["config"], "learning_rate": 1e5}
    write_yaml(tmp_path / "recipe.yaml", {**content, "config": wild})
    command = [
        *COMMAND,
        "train",
        str(tmp_path / "recipe.yaml"),
        "--cohort",
        str(prepared.settings.cohort.path),
    ]
    done = subprocess.run(
        [*command, "-q", "--out", str(tmp_path / "m")], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 1
    assert done.stderr.startswith("setsum: the training diverged: loss ")
    assert done.stderr.count("\n") == 1
