"""A figure together with the words that go with it, and the score that figures name."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from analysis.records import Records
from analysis.selection import is_mae
from analysis.style import saved


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure with the words that go with it."""

    name: str
    """Stem of its files."""
    title: str
    caption: str
    """Which scans and seeds, how to read it, how often the test set was opened."""
    figure: Figure

    def image(self, kind: str) -> bytes:
        """The figure as `svg` or `png`; the same bytes for the same figure."""
        return saved(self.figure, kind)


def label_spread(records: Records) -> tuple[float, float]:
    """MSE and MAE of predicting the mean of the development scans' labels; NaN before any prediction."""
    labels = records.development["label"].to_numpy(float)
    if labels.size == 0:
        return float("nan"), float("nan")
    return float(labels.var()), float(np.abs(labels - labels.mean()).mean())


def score_of(records: Records) -> tuple[str, float]:
    """Name of the score, and the score of predicting the mean."""
    absolute = is_mae(records.trials)
    return ("MAE" if absolute else "MSE"), label_spread(records)[absolute]


def on_development(records: Records) -> str:
    """Which scans and how many seeds the figures of a search are of."""
    return f"on {len(records.development)} development scans, one seed"
