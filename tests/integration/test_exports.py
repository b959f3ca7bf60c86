"""What a study exports: graphs, card, runners-up, Pareto set; and that its recipe gives the scores again."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from huggingface_hub import ModelCard
from rich.console import Console
from safetensors.torch import load_file
from tiny_study import TINY_STUDY

from analysis.records import read_records
from analysis.tested import agreement_table
from study.badinput import BadInput
from study.cohort.ranges import read_ranges
from study.pipeline.card import card_of
from study.pipeline.confirm import confirm, winners
from study.pipeline.export import export
from study.pipeline.exported import confirmations, ranges_of, recipe_of
from study.pipeline.formats import FORMATS, write_graphs
from study.pipeline.model_card import model_card
from study.pipeline.predict import predict_scans
from study.pipeline.prepare import prepare
from study.pipeline.progress import Progress
from study.pipeline.search import search
from study.pipeline.test import test as open_test_scans
from study.record import read_frame
from study.regression.augmentation import apply_transforms
from study.regression.graphs import INPUT, OUTPUT
from study.regression.model import load_networks
from study.regression.prediction import draw_views
from study.regression.recipe import read_recipe
from study.settings import read_settings
from study.sweep.cluster import start_ray

TINY = [*TINY_STUDY, "arms=[set_sum]"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A study up to its export with everything; the third of its trials was not confirmed."""
    progress = Progress(Console(quiet=True))
    prepared = prepare(read_settings(None, TINY), tmp_path_factory.mktemp("out") / "study", progress)
    with start_ray(None):
        search(prepared, progress)
        confirm(prepared, progress)
    open_test_scans(prepared, progress)
    export(prepared, ("onnx", "pt2"), top=3)
    return prepared


@pytest.fixture(scope="module")
def folder(prepared):
    return prepared.directory.export / "set_sum"


@pytest.fixture(scope="module")
def card(folder):
    return json.loads((folder / "card.json").read_text())


def test_the_graphs_predict_what_torch_predicts_of_the_test_scans_once_the_caller_adds_the_views(
    prepared, folder, card
):
    """On real preprocessed scans, none of which the check at export saw."""
    import onnxruntime

    images = torch.from_numpy(prepared.arrays.images_MDHW[prepared.test])
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    loaded = torch.export.load(folder / "model.pt2").module()
    runs = {
        "onnx": lambda seen: session.run([OUTPUT], {INPUT: seen.numpy()})[0],
        "pt2": lambda seen: loaded(seen).detach().numpy(),
    }
    expected = (
        read_frame(prepared.directory.predictions).query("trial >= 0").groupby("scan")["prediction"].mean()
    )
    names = [prepared.arrays.ids[row] for row in prepared.test]
    for run in runs.values():
        means = np.zeros(len(images))
        for view in np.array(card["views"]["transforms"]):
            seen = apply_transforms(images, np.broadcast_to(view, (len(images), 3, 4)))
            means += run(seen.unsqueeze(1)) / len(card["views"]["transforms"])
        np.testing.assert_allclose(means, expected[names], rtol=1e-4)
    alone = runs["onnx"](images[:1].unsqueeze(1))
    assert alone.shape == (1,)


def test_the_views_of_the_card_are_those_of_the_study(prepared, folder, card):
    recipe = read_recipe(folder / "config.yaml")
    np.testing.assert_array_equal(
        card["views"]["transforms"], draw_views(recipe.config, prepared.settings.seed)
    )


def test_what_the_check_at_export_found_is_on_the_card(card):
    for found in card["graphs"].values():
        assert found["checked_on"] == 8
        assert 0 <= found["largest_difference"] < 1e-3


def test_graphs_are_kept_until_the_weights_change_and_then_made_again(prepared, folder):
    before = {name: (folder / name).stat().st_mtime_ns for name in ("model.onnx", "model.pt2")}
    card = (folder / "card.json").read_bytes()
    export(prepared)
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
    assert (folder / "card.json").read_bytes() == card
    stale = json.loads(card)
    stale["graphs"]["model.pt2"]["weights"] = "of another network"
    (folder / "card.json").write_text(json.dumps(stale))
    export(prepared)
    assert (folder / "model.onnx").stat().st_mtime_ns == before["model.onnx"]
    assert (folder / "model.pt2").stat().st_mtime_ns > before["model.pt2"]
    assert (folder / "card.json").read_bytes() == card


def test_the_card_reads_as_a_hugging_face_model_card(folder, card, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    read = ModelCard.load(folder / "card.md")
    assert read.data.library_name == "setsum"
    assert {"onnx", "safetensors"} <= set(read.data.tags)
    results = {(result.dataset_split, result.metric_type): result for result in read.data.eval_results}
    assert results["test", "mse"].metric_value == card["test"]["mse"]
    assert results["development", "mse"].metric_value == np.mean(card["confirmed"]["mse"])
    assert "license" not in read.data.to_dict()


def test_a_card_of_the_paper_s_protocol_scores_its_validation_scans_and_no_folds(prepared, folder):
    validation = prepared.settings.validation.model_copy(update={"protocol": "paper", "scans": 5})
    published = replace(prepared, settings=prepared.settings.model_copy(update={"validation": validation}))
    rows, recipe = (
        what(published, "set_sum", winners(prepared)["set_sum"]) for what in (confirmations, recipe_of)
    )
    networks = load_networks(folder / "model.safetensors", recipe.config)
    card = card_of(published, "set_sum", int(rows["trial"].iloc[0]), rows, recipe, networks, {}, None)
    assert card["confirmed"]["of"] == "predictions of 5 validation scans"
    text = " ".join(model_card(card).split())
    assert "Confirmed scores are of predictions of 5 validation scans" in text
    assert not re.search(r"\bfolds?\b", text)


def test_the_card_has_the_reports_scores_and_says_how_often_the_test_scans_were_opened(
    prepared, folder, card
):
    rows = agreement_table(read_records(prepared.directory.root)).query("arm == 'set_sum' and seed == 'mean'")
    row = rows.iloc[0]
    assert card["test"]["icc_A1_interval"] == [row["icc_low"], row["icc_high"]]
    assert (card["test"]["mse"], card["test"]["icc_A1"]) == (row["mse"], row["icc"])
    assert card["test_opened"] == 1
    text = (folder / "card.md").read_text()
    assert "| times the test scans have been opened | 1 |" in text
    assert "views are left to the caller" in text
    assert "8 x 8 x 8" in text


def test_no_card_names_a_scan_a_folder_or_a_machine(prepared, folder):
    secret = [*prepared.arrays.ids, str(prepared.directory.root), f'"{os.uname().nodename}"']
    for name in ("card.md", "card.json", "ranges.json", "model.onnx"):
        content = (folder / name).read_bytes()
        assert not [word for word in secret if word.encode() in content]


def test_ranges_know_nothing_of_the_test_scans(prepared, folder):
    """They are the same however the test scans look, and others once a development scan changes."""
    arrays, ours = prepared.arrays, read_ranges(folder)
    assert ours.scans == len(prepared.development)
    for rows, same in ((prepared.test, True), (prepared.development[:1], False)):
        changed = {name: np.array(getattr(arrays, name)) for name in ("images_MDHW", "shapes", "spacings")}
        for values in changed.values():
            values[rows] *= 50
        assert (ranges_of(replace(prepared, arrays=replace(arrays, **changed))) == ours) is same


def test_leading_configurations_are_confirmed_ones_first(prepared, folder):
    best = winners(prepared)["set_sum"]
    confirmed = read_frame(prepared.directory.confirmed)
    names = sorted(path.name for path in (folder / "top").iterdir())
    trials = [int(name.rpartition("-")[2]) for name in names]
    assert [int(name[0]) for name in names] == [1, 2, 3]
    assert trials[0] == best
    assert set(trials[:2]) == set(confirmed["trial"])
    weights = [load_file(folder / "top" / name / "model.safetensors") for name in names[:2]]
    winner = load_file(folder / "model.safetensors")
    assert all(torch.equal(winner[name], tensor) for name, tensor in weights[0].items())
    assert not torch.equal(weights[1]["0.network.linear.weight"], winner["0.network.linear.weight"])
    assert [path.name for path in (folder / "top" / names[2]).iterdir()] == ["config.yaml"]
    recipe = read_recipe(folder / "top" / names[2] / "config.yaml")
    assert recipe.seeds == (prepared.settings.seed,)


def test_a_shorter_list_of_leaders_replaces_a_longer_one(prepared, folder):
    try:
        export(prepared, top=1)
        assert len(list((folder / "top").iterdir())) == 1
    finally:
        export(prepared, top=3)


def test_no_trial_is_as_good_and_cheaper_than_one_of_the_pareto_set(prepared):
    root = prepared.directory.export
    table, trials = pd.read_csv(root / "pareto.csv"), read_frame(prepared.directory.trials)
    trials = trials[(trials["status"] == "completed") & (trials["verdict"] != "stuck")]
    for row in table.to_dict("records"):
        recipe = read_recipe(root / row["recipe"])
        mine = trials[trials["trial"] == row["trial"]].iloc[0]
        assert recipe.config.model_dump() == json.loads(mine["config"])
        for front in set(row["fronts"].split()) - {"plateau"}:
            better = (trials["score"] <= mine["score"]) & (trials[front] < mine[front])
            better |= (trials["score"] < mine["score"]) & (trials[front] <= mine[front])
            assert not better.any()
    assert len(table) or trials.empty


AGAIN = """
import json, sys
from pathlib import Path
from study.pipeline.progress import Progress
from study.pipeline.train import train
from study.regression.recipe import read_recipe
recipe, cohort, out = map(Path, sys.argv[1:])
print(json.dumps([result.report.mse.hex() for result in train(read_recipe(recipe), cohort, out, Progress())]))
"""


def trained_again(prepared, recipe, out):
    """Scores of a recipe trained in a process of its own, with as many threads as the machine would take."""
    surroundings = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, recipe, prepared.settings.cohort.path, out],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env=surroundings,
    )
    return [float.fromhex(score) for score in json.loads(done.stdout)]


def test_training_the_recipe_again_gives_the_confirmed_scores_and_networks_bit_for_bit(
    prepared, folder, tmp_path
):
    confirmed = read_frame(prepared.directory.confirmed, trial=winners(prepared)["set_sum"]).sort_values(
        "seed"
    )
    assert trained_again(prepared, folder / "config.yaml", tmp_path / "model") == list(confirmed["mse"])
    ours, again = (load_file(place / "model.safetensors") for place in (folder, tmp_path / "model"))
    assert ours.keys() == again.keys()
    assert all(torch.equal(ours[name], again[name]) for name in ours)
    assert read_ranges(tmp_path / "model") == read_ranges(folder)


def test_training_a_configuration_that_was_only_searched_gives_its_searched_score(prepared, folder, tmp_path):
    (place,) = (folder / "top").glob("3-*")
    trial = int(place.name.rpartition("-")[2])
    oof = read_frame(prepared.directory.oof, stage="search", trial=trial)
    length = read_recipe(place / "config.yaml").length
    chosen = oof[oof["presentations"] == length]
    (score,) = trained_again(prepared, place / "config.yaml", tmp_path / "model")
    assert score == pytest.approx(((chosen["prediction"] - chosen["label"]) ** 2).mean(), rel=1e-6)


def test_development_scans_are_predicted_without_a_warning(prepared, folder):
    table = predict_scans(folder, [prepared.settings.cohort.path], [], Progress(Console(quiet=True)))
    development = {prepared.arrays.ids[row] for row in prepared.development}
    assert set(table["id"]) == set(prepared.arrays.ids)
    assert set(table.loc[table["id"].isin(development), "warning"]) == {""}


def test_what_cannot_be_exported_is_refused_before_anything_is_written(prepared, monkeypatch):
    def written():
        return {path: path.stat().st_mtime_ns for path in prepared.directory.export.rglob("*")}

    before = written()
    with pytest.raises(BadInput, match=r"--format: a format is onnx or pt2, got 'tiff'"):
        export(prepared, ("tiff",))
    with pytest.raises(BadInput, match="--top must be at least 1"):
        export(prepared, top=0)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(BadInput, match=r"pip install 'setsum\[onnx\]'"):
        export(prepared, ("onnx",))
    assert written() == before


def test_a_graph_that_predicts_otherwise_is_not_written(prepared, folder, tmp_path, monkeypatch):
    for name in ("config.yaml", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    wrong = FORMATS["pt2"]._replace(run=lambda content, images: np.full(len(images), 1e6))
    monkeypatch.setitem(FORMATS, "pt2", wrong)
    config = read_recipe(tmp_path / "config.yaml").config
    with pytest.raises(BadInput, match="away from torch and was not written"):
        write_graphs(tmp_path, config, prepared.images_MDHW, ("pt2",), {}, {})
    assert not (tmp_path / "model.pt2").exists()
