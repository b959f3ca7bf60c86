"""Figure: prediction minus label against their mean, with limits of agreement, a panel an arm."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.style import INK, RULE, colour, panels, styled
from analysis.words import in_order, number


@styled
def difference_against_mean(averaged: pd.DataFrame, agreement: pd.DataFrame, unit: str = "") -> Figure:
    """Bland and Altman's plot of predictions averaged over seeds.

    Args:
        averaged: arm, scan, label, prediction; a row an arm and scan.
        agreement: arm, bias, loa_lower, loa_upper and their `_low` and `_high` of those predictions.
        unit: Of the label.
    """
    arms = in_order(averaged["arm"])
    figure, axes = panels(len(arms))
    for axis, arm in zip(axes, arms, strict=True):
        _panel(axis, averaged[averaged["arm"] == arm], arm, agreement[agreement["arm"] == arm].iloc[0])
    suffix = f" ({unit})" if unit else ""
    figure.supxlabel(f"mean of prediction and label{suffix}", fontsize=9)
    figure.supylabel(f"prediction − label{suffix}", fontsize=9)
    return figure


def _panel(axis: Axes, rows: pd.DataFrame, arm: str, limits: "pd.Series[float]") -> None:
    label, prediction = rows["label"].to_numpy(float), rows["prediction"].to_numpy(float)
    axis.axhline(0, color=INK, lw=0.6, alpha=0.4, zorder=1)
    for name, dashes in (("bias", (0, ())), ("loa_lower", (0, (4, 3))), ("loa_upper", (0, (4, 3)))):
        axis.axhspan(limits[f"{name}_low"], limits[f"{name}_high"], color=RULE, alpha=0.09, lw=0, zorder=0)
        axis.axhline(limits[name], color=RULE, lw=1, ls=dashes, zorder=2)
    axis.scatter(
        (prediction + label) / 2,
        prediction - label,
        s=20,
        color=colour(arm),
        alpha=0.85,
        ec="white",
        lw=0.4,
        zorder=3,
    )
    axis.locator_params(nbins=5)
    axis.set_title(arm, pad=18)
    spread = f"{number(limits['loa_lower'])} to {number(limits['loa_upper'])}"
    axis.annotate(
        f"bias {number(limits['bias'])}, limits {spread}",
        (0, 1),
        (0, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=8,
    )
