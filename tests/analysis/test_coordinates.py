"""Parallel coordinates: every value at its place between its axis' ends."""

from pathlib import Path

import numpy as np
import pytest

from analysis.coordinates import coordinates, coordinates_figure, ranked_trials
from analysis.records import read_records


def test_axes_are_what_arms_vary_and_the_score_each_from_its_lowest_to_its_highest(finished: Path):
    ranked = ranked_trials(read_records(finished).trials)
    axes = {axis.name: axis for axis in coordinates(ranked)}
    assert list(axes) == ["lr", "dropout", "n", "p", "replacement", "MSE"]
    for name, field in [("dropout", "config.dropout"), ("p", "config.p"), ("MSE", "score")]:
        # The scores span more than a factor of 20, so their logarithm is drawn.
        values = np.log(ranked[field]) if name == "MSE" else ranked[field].astype(float)
        expected = (values - values.min()) / (values.max() - values.min())
        np.testing.assert_allclose(axes[name].places, expected, atol=1e-12)
    assert axes["replacement"].ticks == [(0.25, "False"), (0.75, "True")]
    for axis in axes.values():
        assert axis.places.between(0, 1).all()
        assert [place for place, _ in axis.ticks] == sorted(place for place, _ in axis.ticks)


def test_numbers_over_a_wide_range_are_spread_by_their_logarithm(finished: Path):
    ranked = ranked_trials(read_records(finished).trials)
    ranked["config.learning_rate"] = np.geomspace(1e-4, 1e-1, len(ranked))
    (rate,) = [axis for axis in coordinates(ranked) if axis.name == "lr"]
    np.testing.assert_allclose(rate.places, np.linspace(0, 1, len(ranked)), atol=1e-12)


def test_the_best_tenth_of_each_arm_leads_and_is_drawn_last(finished: Path):
    trials = read_records(finished).trials
    ranked = ranked_trials(trials)
    assert set(ranked["status"]) == {"completed"}
    assert list(ranked["score"]) == sorted(ranked["score"], reverse=True)
    for arm, mine in ranked.groupby("arm"):
        assert mine.loc[mine["leading"], "score"].tolist() == [mine["score"].min()], arm


@pytest.mark.parametrize("trials", [1, 2])
def test_one_trial_can_be_drawn(finished: Path, trials: int):
    figure = coordinates_figure(ranked_trials(read_records(finished).trials).head(trials))
    assert len(figure.axes) == 1
