"""Figure: predicted against true label of the test scans, a panel an arm."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.style import FAINT, INK, RULE, colour, panels, styled
from analysis.words import clipped, fixed, in_order, interval


@styled
def predicted_against_true(
    standing: pd.DataFrame, agreement: pd.DataFrame, verdicts: Mapping[str, str], unit: str = ""
) -> Figure:
    """Predictions averaged over seeds as points, the range over seeds as a line, with the identity.

    Args:
        standing: arm, seed, scan, label, prediction; a row a seed and scan.
        agreement: arm, icc, icc_low, icc_high of the averaged predictions.
        verdicts: The verdict shown beneath an arm's name.
        unit: Of the label.
    """
    arms = in_order(standing["arm"])
    figure, axes = panels(len(arms))
    lowest = standing[["label", "prediction"]].min().min()
    highest = standing[["label", "prediction"]].max().max()
    margin = 0.05 * (highest - lowest) or 1.0
    limits = (lowest - margin, highest + margin)
    scores = agreement.set_index("arm")
    for axis, arm in zip(axes, arms, strict=True):
        _panel(axis, standing[standing["arm"] == arm], arm, limits)
        estimate, low, high = (float(scores[name][arm]) for name in ("icc", "icc_low", "icc_high"))
        agreed = f"ICC {fixed(estimate)} {interval(low, high)}"
        axis.set_title(clipped(arm, 24), pad=30)
        # What an unfinished arm would need stands in the end table; here it would overlap the next panel.
        below = f"{agreed.strip()}\n{verdicts.get(arm, 'reference').partition(',')[0]}"
        axis.annotate(
            below, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize=8.5
        )
    suffix = f" ({unit})" if unit else ""
    figure.supxlabel(f"true label{suffix}", fontsize=9)
    figure.supylabel(f"prediction{suffix}", fontsize=9)
    return figure


def _panel(axis: Axes, rows: pd.DataFrame, arm: str, limits: tuple[float, float]) -> None:
    by_scan = rows.groupby("scan", sort=True)
    label = by_scan["label"].first().to_numpy(float)
    prediction = by_scan["prediction"].agg(["mean", "min", "max"]).to_numpy(float)
    axis.plot(limits, limits, color=RULE, lw=1, ls=(0, (4, 3)), zorder=1)
    axis.vlines(label, prediction[:, 1], prediction[:, 2], color=FAINT, lw=0.8, zorder=2)
    axis.scatter(label, prediction[:, 0], s=20, color=colour(arm), alpha=0.85, ec="white", lw=0.4, zorder=3)
    axis.set(xlim=limits, ylim=limits, aspect="equal")
    axis.locator_params(nbins=5)
    # The mean a reader compares the cloud with: a flat cloud at this height has learned nothing.
    axis.axhline(float(np.mean(label)), color=INK, lw=0.6, alpha=0.25, zorder=0)
