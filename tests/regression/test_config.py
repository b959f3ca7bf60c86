import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from study.regression.config import TrialConfig


@pytest.mark.parametrize(
    ("m", "n", "without", "with_replacement"),
    [
        (24, 4, 12_950, 20_474),
        (25, 4, 15_275, 23_750),
        (30, 4, 31_930, 46_375),
        (24, 8, 1_271_625, 10_518_299),
    ],
)
def test_distinct_virtual_samples(m, n, without, with_replacement):
    assert TrialConfig(n=n, p=0.1).distinct_sets(m) == without
    assert TrialConfig(n=n, p=0.1, replacement=True).distinct_sets(m) == with_replacement


def test_mean_error_weight():
    assert TrialConfig(n=4, p=0.1, replacement=True).mean_error_weight(24) == pytest.approx(2.7)
    assert TrialConfig(n=16, p=0.1, replacement=True).mean_error_weight(24) == pytest.approx(13.5)
    assert TrialConfig(n=16, p=0.1).mean_error_weight(24) == pytest.approx(34.1, abs=0.05)
    assert TrialConfig(n=24).mean_error_weight(24) == float("inf")
    assert TrialConfig().mean_error_weight(24) == 0
    assert TrialConfig(objective="bias_penalty", bias_weight=3).mean_error_weight(24) == 3


@given(b=st.integers(1, 64), n=st.integers(1, 64))
def test_a_step_holds_whole_sets_and_at_least_the_scans_asked_for(b, n):
    slots = TrialConfig(n=n, scans_per_step=b).slots_per_step
    assert slots % n == 0
    assert b <= slots < b + n


@pytest.mark.parametrize(
    "fields",
    [
        {"p": 1.0},
        {"n": 0},
        {"dropout": -0.1},
        {"learning_rate": 0},
        {"learning_rate": float("inf")},
        {"objective": "mixup", "n": 2},
        {"bias_weight": 1.0},
        {"objective": "bias_penalty", "bias_weight": 1.0, "loss": "mae"},
        {"presentations": 5, "reports": 6},
        {"unknown": 1},
    ],
)
def test_impossible_configurations_are_refused(fields):
    with pytest.raises(ValidationError):
        TrialConfig(**fields)
