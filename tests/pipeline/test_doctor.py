"""What the doctor finds: choices by the study's own functions, and what is broken."""

import json
import sys

import pytest

from study.badinput import BadInput
from study.cli import main
from study.pipeline import choices as choices_module
from study.pipeline.choices import choose
from study.pipeline.doctor import examine
from study.pipeline.machine import native_bfloat16
from study.regression.precision import GAIN, faster, fastest_precision
from study.settings import read_settings
from study.sweep.here import places_on, this_node
from study.sweep.packing import Measured, pack

NODE = {"CPU": 8.0, "GPU": 0.0}
SMALL = ("preprocessing.shape=[8, 8, 8]", "precision=float32")


def settings(*fields):
    return read_settings(None, [*SMALL, *fields])


def by_topic(findings):
    return {finding.topic: finding for finding in findings}


def test_threads_places_and_precision_are_those_that_a_study_would_take():
    chosen = choose(settings("resources.cpus_per_trial=2.5"), [NODE, NODE])
    assert (chosen.threads, chosen.at_once, chosen.gpus, chosen.device) == (2, 6, 0.0, "cpu")
    assert chosen.reasons["threads"] == "resources.cpus_per_trial is 2.5"
    assert choose(settings("resources.cpus_per_trial=9"), [NODE]).at_once == 0


def test_precision_is_measured_as_the_study_does_and_the_reason_says_what_came_out(monkeypatch):
    told = {"float32": 0.030, "bfloat16": 0.010}
    monkeypatch.setattr(choices_module, "precision_seconds", lambda shape, scans, device: told)
    chosen = choose(settings("precision=auto"), [NODE])
    assert chosen.precision == faster(told) == "bfloat16"
    assert "30 ms in float32, 10 ms in bfloat16" in chosen.reasons["precision"]
    assert faster({"float32": 1.0, "bfloat16": 1 / GAIN}) == "float32"
    assert fastest_precision((6, 6, 6), 2) in ("float32", "bfloat16")


def test_packing_is_measured_on_a_gpu_and_zero_without_one(monkeypatch):
    auto = settings("resources.gpus_per_trial=auto")
    assert choose(auto, [NODE]).gpus == 0.0
    assert "no GPU" in choose(auto, [NODE]).reasons["gpus"]
    measured = Measured(peak_bytes=1e9, total_bytes=80e9, busy=0.3)
    monkeypatch.setattr(choices_module, "training_device", lambda settings: "cuda")
    monkeypatch.setattr(choices_module, "check_device", lambda device: None)
    monkeypatch.setattr(choices_module, "settle", lambda threads, gpus: "cuda")
    monkeypatch.setattr(choices_module, "rehearsed_training", lambda config, shape, device: None)
    monkeypatch.setattr(choices_module, "measure_training", lambda training, device: measured)
    node = {"CPU": 8.0, "GPU": 1.0}
    chosen = choose(auto, [node])
    packing = pack(measured, by_cpu=8)
    assert (chosen.gpus, chosen.at_once) == (packing.gpus, packing.trials) == (0.25, 4)
    assert packing.reason in chosen.reasons["gpus"]


def test_this_machine_is_counted_as_ray_counts_it():
    node = this_node()
    assert node["CPU"] >= 1
    assert places_on([node], 1, 0) == int(node["CPU"])
    assert places_on([{"CPU": 3, "GPU": 1}], 1, 0.5) == 2


def test_everything_is_looked_at_though_the_storage_is_broken(tmp_path):
    (tmp_path / "file").write_text("")
    findings = by_topic(examine(settings(), str(tmp_path / "file" / "study"), None))
    assert findings["storage"].broken
    assert {"versions", "CPUs", "native bfloat16 (CPU)", "precision", "trials at once"} <= set(findings)
    assert [finding.topic for finding in findings.values() if finding.broken] == ["storage"]
    assert findings["native bfloat16 (CPU)"].found == ("yes" if native_bfloat16() else "no")


def test_a_folder_yet_to_be_made_and_a_uri_are_written_to_and_left_as_they_were(tmp_path):
    for place in (tmp_path / "a" / "b", tmp_path.as_uri()):
        assert not by_topic(examine(settings(), str(place), None))["storage"].broken
    assert list(tmp_path.iterdir()) == []


def test_a_search_storage_that_does_not_answer_is_broken_and_its_password_not_shown(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_WORD", "swordfish")
    url = "postgresql://me:${SECRET_WORD}@127.0.0.1:1/studies"
    found = by_topic(examine(settings(f"search.storage={json.dumps(url)}"), str(tmp_path), None))
    assert found["search storage"].broken
    assert "swordfish" not in str(found)
    url = f"sqlite:///{tmp_path}/optuna.db"
    found = by_topic(examine(settings(f"search.storage={json.dumps(url)}"), str(tmp_path), None))
    assert not found["search storage"].broken


def test_a_cluster_that_does_not_answer_is_broken_and_nothing_is_chosen_for_it(tmp_path):
    found = by_topic(examine(settings(), str(tmp_path), "127.0.0.1:1"))
    assert found["Ray cluster"].broken
    assert "precision" not in found


def doctor(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["setsum", "doctor", *map(str, arguments)])
    main()


def test_the_command_ends_with_1_where_a_study_could_not_run(monkeypatch, capsys, tmp_path):
    doctor(monkeypatch, "--storage", tmp_path)
    assert "trials at once" in capsys.readouterr().out
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as ended:
        doctor(monkeypatch, "--storage", tmp_path / "file" / "x", "--json")
    assert ended.value.code == 1
    told = capsys.readouterr()
    findings = json.loads(told.out)["findings"]
    assert [finding["topic"] for finding in findings if finding["broken"]] == ["storage"]
    assert told.err.startswith("setsum: broken: storage: ")
    with pytest.raises(SystemExit) as ended:
        doctor(monkeypatch, tmp_path)
    assert ended.value.code == 2


def test_a_study_s_own_settings_decide(monkeypatch, capsys, tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.yaml").write_text(
        json.dumps(settings("resources.cpus_per_trial=1").model_dump(mode="json"))
    )
    doctor(monkeypatch, study, "--json")
    found = {each["topic"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert found["precision"]["why"] == "the study file says so"
    assert found["storage"]["why"] == str(study)
    with pytest.raises(BadInput):
        read_settings(tmp_path / "none.yaml")
