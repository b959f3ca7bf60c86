"""`gpus_per_trial: auto` in a study: resolved once, written down with its reason, kept."""

import io

import pytest
from rich.console import Console

import study.pipeline.prepare as stage
from study.cohort.phantom import write_phantom
from study.pipeline.packed import with_packing
from study.pipeline.prepare import open_study, prepare
from study.pipeline.progress import Progress
from study.record import read_json
from study.settings import read_settings
from study.sweep.packing import Measured

AUTO = [
    *("arms=[base]", "preprocessing.shape=[8,8,8]", "split.test=8", "precision=float32"),
    *("budget.presentations=16", "training.reports=2", "resources.gpus_per_trial=auto"),
]
MEASURED = Measured(peak_bytes=1e9, total_bytes=80e9, busy=0.3)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    scans = tmp_path_factory.mktemp("phantom") / "scans"
    write_phantom(scans, kind="wmh", scans=32, shape=12, seed=1)
    return read_settings(None, [f"cohort.path={scans}", *AUTO])


@pytest.fixture
def told():
    return io.StringIO()


def progress(told):
    return Progress(Console(file=told, width=200))


@pytest.fixture
def a_gpu(monkeypatch):
    """As if Ray had found one with eight CPUs, and a trial had been measured on it."""
    asked = []

    def measure(assignment, config, cpus):
        asked.append((assignment.gpus, config.slots_per_step, cpus))
        return MEASURED

    monkeypatch.setattr("study.pipeline.packed.cpu_places_a_gpu", lambda cpus: 8)
    monkeypatch.setattr(
        stage, "with_packing", lambda prepared, progress: with_packing(prepared, progress, measure)
    )
    return asked


def test_without_a_gpu_auto_means_none(settings, tmp_path, told):
    made = prepare(settings, tmp_path / "study", progress(told))
    assert made.settings.resources.gpus == 0
    assert "no GPU" in told.getvalue()
    assert open_study(tmp_path / "study", progress(told)).settings == made.settings
    prepare(settings, tmp_path / "study", progress(told))


def test_a_measurement_decides_once_and_is_written_down(settings, tmp_path, told, a_gpu):
    made = prepare(settings, tmp_path / "study", progress(told))
    assert made.settings.resources.gpus == 0.25
    assert a_gpu == [(1, 4, 1)]
    assert "4 to a GPU, limited by its time" in told.getvalue()
    written = read_json(tmp_path / "study" / "provenance.json")["packing"]
    assert (written["gpus"], written["busy"], written["peak_bytes"]) == (0.25, 0.3, 1e9)
    again = prepare(settings, tmp_path / "study", progress(told))
    assert again.settings == made.settings
    assert len(a_gpu) == 1


def test_a_number_is_left_alone(settings, tmp_path, told, a_gpu):
    resources = settings.resources.model_copy(update={"gpus_per_trial": 0.0})
    made = prepare(settings.model_copy(update={"resources": resources}), tmp_path / "study", progress(told))
    assert made.settings.resources.gpus == 0
    assert a_gpu == []
    assert "packing" not in read_json(tmp_path / "study" / "provenance.json")
