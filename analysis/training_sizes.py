"""Learning curves over training sizes, a study each: the paper's Figure 3, and its test over the curve."""

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.baselines import readable_comparison
from analysis.comparison import compared
from analysis.inference import holm, mse_interval
from analysis.records import Records, development_scans
from analysis.style import FAINT, MARKERS, colour, legend_of, styled, verdict_of
from analysis.tested import averaged, groups_of, standing_predictions
from analysis.words import in_order

PAIRS = (
    ("set_sum", "base"),
    ("sets_of_4", "sets_of_2"),
    ("sets_of_2", "base"),
    ("sets_of_4", "base"),
    ("dropout", "base"),
    ("set_sum_dropout", "set_sum"),
)


def training_scans(records: Records) -> int:
    """Development scans, but for the paper's fixed validation scans, which the paper does not count."""
    validation = records.settings.get("validation") or {}
    held = int(validation.get("scans", 0)) if validation.get("protocol") == "paper" else 0
    return development_scans(records) - held


def training_curve(studies: Mapping[str, Records], side_by_side: pd.DataFrame) -> pd.DataFrame:
    """Rows of `side_by_side` of the searched arms, with `training` scans and the MSE's 95% interval.

    `training` are the scans of the training set under the paper's protocol (validation scans not counted) and
    the development scans under setsum's, where each of them teaches in all folds but one.
    """
    rows = side_by_side[side_by_side["trial"].notna()].copy()
    sizes = {name: training_scans(records) for name, records in studies.items()}
    rows["training"] = rows["study"].map(sizes)
    limits = [_mse_interval(studies[row["study"]], row["arm"]) for _, row in rows.iterrows()]
    rows["mse_low"], rows["mse_high"] = zip(*limits, strict=True)
    return rows.sort_values(["protocol", "arm", "training"], kind="stable").reset_index(drop=True)


def curve_comparison(studies: Mapping[str, Records]) -> pd.DataFrame:
    """Pairs of arms on predictions averaged over seeds and over all training sizes of a protocol.

    Only scans that every study of the protocol tested take part. Columns: protocol, sizes (studies averaged),
    and those of `comparison_table`; the Holm adjustment is over all rows.
    """
    protocols = sorted({_protocol(records) for records in studies.values()})
    rows = [
        {"protocol": protocol} | row
        for protocol in protocols
        for row in _compared([each for each in studies.values() if _protocol(each) == protocol])
    ]
    table = pd.DataFrame(rows)
    if not table.empty:
        table["swap_p_icc_holm"] = holm(table["swap_p_icc"].astype(float))
    return table


def readable_curve_comparison(table: pd.DataFrame) -> pd.DataFrame:
    """`curve_comparison` as texts."""
    shown = readable_comparison(table)
    if not table.empty:
        protocols = ["paper's" if protocol == "paper" else "setsum's" for protocol in table["protocol"]]
        shown.insert(1, "protocol", protocols)
        shown.insert(2, "studies averaged", [str(sizes) for sizes in table["sizes"]])
    return shown


@styled
def training_curve_figure(curve: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """MSE and ICC over training scans with 95% intervals, a row of panels a protocol, as in Figure 3.

    Args:
        curve: Of `training_curve`.
        published: arm, training, icc of the paper, drawn as open diamonds beside the paper's protocol.
    """
    protocols = list(dict.fromkeys(curve["protocol"]))[::-1]
    figure = Figure(figsize=(7.0, 2.7 * len(protocols) + 0.5), layout="constrained")
    grid = figure.subplots(len(protocols), 2, squeeze=False, sharey="col")
    for (mse_axis, icc_axis), protocol in zip(grid, protocols, strict=True):
        rows = curve[curve["protocol"] == protocol]
        _lines(mse_axis, rows, ("test_mse", "mse_low", "mse_high"))
        _lines(icc_axis, rows, ("test_icc", "icc_low", "icc_high"))
        if protocol == "paper":
            for _, row in published.iterrows():
                icc_axis.plot(row["training"], row["icc"], "D", mfc="none", mec=colour(row["arm"]), ms=6)
        own = "paper's protocol" if protocol == "paper" else "setsum's protocol"
        mse_axis.set_title(f"{own}: test MSE")
        icc_axis.set_title(f"{own}: test ICC(A,1)")
        for axis in (mse_axis, icc_axis):
            axis.set_xticks(sorted(rows["training"].unique()))
            axis.set_xlabel("training scans" if protocol == "paper" else "development scans")
    diamond = Line2D([], [], marker="D", ls="", mfc="none", mec=FAINT, label="published (real scans)")
    verdicts = [verdict_of(verdict) for verdict in curve["verdict"]]
    legend_of(figure, curve["arm"], verdicts, [] if published.empty else [diamond])
    # Panels that grow while they are laid out get finer ticks, and their labels need room.
    figure.set_layout_engine("constrained", w_pad=0.16)
    return figure


def _lines(axis: Axes, rows: pd.DataFrame, names: tuple[str, str, str]) -> None:
    arms = in_order(rows["arm"])
    for number, arm in enumerate(arms):
        mine = rows[rows["arm"] == arm]
        value, low, high = (mine[name].to_numpy(float) for name in names)
        # Beside each other, so that intervals can be read.
        x = mine["training"].to_numpy(float) + 0.25 * (number - (len(arms) - 1) / 2)
        axis.vlines(x, low, high, color=colour(arm), lw=1.2, alpha=0.8)
        axis.plot(x, value, color=colour(arm), lw=1.2)
        for place, height, verdict in zip(x, value, mine["verdict"], strict=True):
            axis.plot(place, height, MARKERS[verdict_of(verdict)], color=colour(arm), ms=5)


def _compared(studies: Sequence[Records]) -> list[dict[str, object]]:
    tables = [averaged(standing_predictions(records)) for records in studies]
    kept = {name: (name, "first") for name in ("site", "group", "label") if name in tables[0]}
    mean = (
        pd.concat(tables)
        .groupby(["arm", "scan"], as_index=False)
        .agg(**kept, prediction=("prediction", "mean"), seeds=("seeds", "max"), sizes=("seeds", "size"))
    )
    mean = mean[mean["sizes"] == len(studies)]
    return [
        {"sizes": len(studies)} | compared(mean, first, second, studies[0].seed)
        for first, second in PAIRS
        if {first, second} <= set(mean["arm"])
    ]


def _mse_interval(records: Records, arm: str) -> tuple[float, float]:
    mean = averaged(standing_predictions(records))
    mean = mean[mean["arm"] == arm].sort_values("scan", kind="stable")
    generator = np.random.default_rng([records.seed, crc32(arm.encode())])
    return mse_interval(mean["prediction"], mean["label"], generator=generator, groups=groups_of(mean))


def _protocol(records: Records) -> str:
    return str((records.settings.get("validation") or {}).get("protocol", "kfold"))
