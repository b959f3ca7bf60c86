"""How many trials share a GPU: the decision for every measurement, the measuring on a CPU."""

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st

from study.builtin import built_in_arms
from study.regression.config import TrialConfig
from study.sweep.assignment import Assignment
from study.sweep.cluster import room_on
from study.sweep.packing import (
    MARGIN,
    MOST,
    Measured,
    covered,
    cpu_places_a_gpu,
    heaviest,
    measure_alone,
    measure_trial,
    pack,
)
from study.sweep.process import CONTEXT_BYTES, settle, tensor_share
from study.sweep.spaces import read_space, with_training

GIB = 2**30
measurements = st.builds(
    Measured,
    peak_bytes=st.floats(1e6, 2e11),
    total_bytes=st.floats(4 * GIB, 200 * GIB),
    busy=st.floats(0, 1),
)


@given(measurements, st.integers(1, 64))
def test_trials_that_share_a_gpu_fit_its_memory_time_and_cpus(measured, by_cpu):
    packing = pack(measured, by_cpu=by_cpu)
    assert 1 <= packing.trials <= min(by_cpu, MOST)
    if packing.trials > 1:
        need = measured.peak_bytes * MARGIN + CONTEXT_BYTES
        assert packing.trials * need <= measured.total_bytes
        # All but the last of them could not have filled its time.
        assert (packing.trials - 1) * measured.busy < 1
        # What is enforced leaves each as much as was measured, to Ray's four digits.
        allowed = tensor_share(packing.gpus, measured.total_bytes) * measured.total_bytes
        assert allowed >= measured.peak_bytes * MARGIN - 1e-4 * measured.total_bytes


@given(measurements, st.integers(1, 64))
def test_the_shares_fill_one_gpu_and_no_more(measured, by_cpu):
    packing = pack(measured, by_cpu=by_cpu)
    assert packing.gpus * packing.trials <= 1
    assert room_on({"CPU": 64, "GPU": 1}, 1, packing.gpus) == packing.trials


@given(measurements, measurements, st.integers(1, 64))
def test_a_lighter_trial_is_never_packed_less_densely(one, other, by_cpu):
    lighter = Measured(
        peak_bytes=min(one.peak_bytes, other.peak_bytes),
        total_bytes=max(one.total_bytes, other.total_bytes),
        busy=min(one.busy, other.busy),
    )
    assert pack(lighter, by_cpu=by_cpu).trials >= pack(one, by_cpu=by_cpu).trials


@pytest.mark.parametrize(
    ("measured", "trials", "says"),
    [
        (Measured(peak_bytes=GIB, total_bytes=80 * GIB, busy=0.24), 5, "busy 24%"),
        (Measured(peak_bytes=30 * GIB, total_bytes=80 * GIB, busy=0.1), 2, "39.6 of 80.0 GiB"),
        (Measured(peak_bytes=70 * GIB, total_bytes=80 * GIB, busy=1.0), 1, "1 to a GPU"),
        (Measured(peak_bytes=GIB, total_bytes=80 * GIB, busy=0.02), 12, "CPUs"),
    ],
)
def test_the_reason_names_what_limits(measured, trials, says):
    packing = pack(measured, by_cpu=12)
    assert packing.trials == trials
    assert says in packing.reason


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9))))
def test_overlapping_kernels_count_once(kernels):
    spans = [(start, start + length) for start, length in kernels]
    assert covered(spans) == len({instant for start, end in spans for instant in range(start, end)})


def test_the_heaviest_configuration_has_the_most_scans_in_a_pass():
    spaces = [
        with_training(read_space(built_in_arms()[arm]), {"chunk": 6})
        for arm in ("base", "set_sum", "set_sum_large")
    ]
    config = heaviest(spaces)
    assert (config.n, config.chunk) == (32, 6)
    assert heaviest(spaces[:1]).scans_per_step == 8


def test_a_process_that_shares_a_gpu_may_take_its_share_less_its_context(monkeypatch):
    granted = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", granted.append)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda _: type("Gpu", (), {"total_memory": 80 * GIB})
    )
    assert settle(threads=1, gpus=0.25) == "cuda"
    assert settle(threads=1, gpus=1) == "cuda"
    assert granted == [0.25 - CONTEXT_BYTES / (80 * GIB)]
    assert settle(threads=1, gpus=0) == "cpu"


@pytest.fixture
def assignment(tmp_path):
    return Assignment(
        arrays=tiny.write_cohort(tmp_path / "cohort"),
        fingerprint="tiny",
        development=np.arange(20),
        folds=tiny.folds_of(20),
        seed=0,
        view_seed=0,
        threads=1,
        gpus=0,
    )


CONFIG = TrialConfig(n=4, presentations=40, reports=4, views=1)


def test_measuring_trains_a_little_of_every_fold(assignment):
    measured = measure_trial(assignment, CONFIG)
    assert 0 < measured.peak_bytes < measured.total_bytes
    assert measured.busy == 1


@pytest.mark.usefixtures("local_ray")
def test_measuring_runs_in_a_process_of_ray(assignment):
    assert measure_alone(assignment, CONFIG, 1).peak_bytes > 0


def test_cpus_are_counted_beside_the_gpus_of_each_node(monkeypatch):
    nodes = [
        {"Alive": alive, "Resources": {"CPU": cpus, "GPU": gpus}}
        for alive, cpus, gpus in [(True, 32, 4), (True, 24, 2), (True, 8, 0), (False, 1, 1)]
    ]
    monkeypatch.setattr("ray.nodes", lambda: nodes)
    assert cpu_places_a_gpu(2) == 4
    assert cpu_places_a_gpu(0.5) == 16
    monkeypatch.setattr("ray.nodes", lambda: nodes[2:])
    assert cpu_places_a_gpu(1) == 0
