import numpy as np
import pytest

from study.regression.curve import judge

LABELS = np.arange(20.0)
MARKS = np.arange(1, 9) * 100


def curve(sizes, seed=0):
    """Out-of-fold predictions whose errors have about the given sizes, a report each."""
    noise = np.random.default_rng(seed).choice([-1.0, 1.0], size=(len(sizes), 1, 20))
    return LABELS + noise * np.array(sizes)[:, None, None]


def test_the_length_is_where_the_smoothed_curve_is_lowest():
    sizes = [6, 1, 6, 3, 2.5, 3, 4, 5]
    outcome = judge(curve(sizes), MARKS, LABELS, "mse")
    # One lucky report does not win: its neighbours count too.
    assert outcome.length == 500
    assert outcome.score == outcome.mse == pytest.approx(2.5**2)
    assert outcome.mae == pytest.approx(2.5)
    assert outcome.smoothed_T[4] == pytest.approx((3**2 + 2.5**2 + 3**2) / 3)


def test_mae_scores_when_it_is_the_loss():
    outcome = judge(curve([5, 4, 3, 2, 2, 2, 2, 2]), MARKS, LABELS, "mae")
    assert outcome.score == outcome.mae == pytest.approx(2)


@pytest.mark.parametrize(
    ("sizes", "verdict"),
    [
        ([6, 5, 4, 3, 2, 2, 2, 2], "converged"),
        ([6, 6, 5, 5, 4, 4, 2, 1], "improving"),
        ([6, 6, 6, 6, 6, 6, 6, 6], "stuck"),
        ([6, 3, 2, 2, 3, 4, 5, 6], "converged"),
    ],
)
def test_verdicts(sizes, verdict):
    assert judge(curve(sizes), MARKS, LABELS, "mse").verdict == verdict


def test_predicting_the_mean_is_stuck():
    predictions = np.full((8, 1, 20), LABELS.mean())
    assert judge(predictions, MARKS, LABELS, "mse").verdict == "stuck"


def test_scans_that_no_fold_holds_out_are_passed_over():
    predictions = curve([3] * 8)
    predictions[:, :, 5:] = np.nan
    outcome = judge(predictions, MARKS, LABELS, "mse")
    assert outcome.mse == pytest.approx(9)


def test_the_order_of_scans_does_not_matter():
    predictions = curve([6, 5, 4, 3, 2.5, 2, 2, 1])
    order = np.random.default_rng(1).permutation(20)
    one, other = (
        judge(predictions, MARKS, LABELS, "mse"),
        judge(predictions[..., order], MARKS, LABELS[order], "mse"),
    )
    assert (one.length, one.verdict) == (other.length, other.verdict)
    assert one.icc == pytest.approx(other.icc)
