"""Learning curves over training sizes, a study each: the paper's Figure 3, and its test over the curve."""

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.inference import holm, paired_bootstrap, swap_permutation, williams
from analysis.records import Records, development_scans
from analysis.style import FAINT, colour, styled
from analysis.tested import averaged, standing_predictions
from analysis.words import fixed, in_order, interval, p_value, signed
from study.agreement import icc

RESAMPLES = 2000
"""Of the bootstrap of a point's MSE."""
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

    Only scans that every study of the protocol tested take part. Columns: protocol, first, second, sizes,
    scans, icc_difference with its 95% interval (paired percentile bootstrap over scans), swap_p_icc, its Holm
    adjustment over the rows, williams_t and williams_p on the ICCs, as in the paper, approximate.
    """
    protocols = sorted({_protocol(records) for records in studies.values()})
    rows = [
        row
        for protocol in protocols
        for row in _compared(
            protocol, [records for records in studies.values() if _protocol(records) == protocol]
        )
    ]
    table = pd.DataFrame(rows)
    if not table.empty:
        table["swap_p_icc_holm"] = holm(table["swap_p_icc"].astype(float))
    return table


def readable_comparison(table: pd.DataFrame) -> pd.DataFrame:
    """`curve_comparison` as texts."""
    return pd.DataFrame(
        [
            {
                "arms": f"{row['first']} − {row['second']}",
                "protocol": row["protocol"],
                "studies averaged": str(row["sizes"]),
                "test scans": str(row["scans"]),
                "ICC": f"{fixed(row['icc_first'])} − {fixed(row['icc_second'])}",
                "difference [95%]": f"{signed(row['icc_difference'], 3)} "
                f"{interval(row['icc_low'], row['icc_high'], 3)}",
                "swap test p (Holm)": f"{p_value(row['swap_p_icc'])} ({p_value(row['swap_p_icc_holm'])})",
                "Williams t (p)": f"{fixed(row['williams_t'])} ({p_value(row['williams_p'])})",
            }
            for _, row in table.iterrows()
        ]
    )


@styled
def training_curve_figure(curve: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """MSE and ICC over training scans with 95% intervals, a row of panels a protocol, as in Figure 3.

    Args:
        curve: Of `training_curve`.
        published: arm, training, icc of the paper, drawn as open diamonds beside the paper's protocol.
    """
    protocols = list(dict.fromkeys(curve["protocol"]))[::-1]
    figure = Figure(figsize=(7.0, 2.7 * len(protocols) + 0.5), layout="constrained")
    grid = figure.subplots(len(protocols), 2, squeeze=False, sharex="row", sharey="col")
    for (mse_axis, icc_axis), protocol in zip(grid, protocols, strict=True):
        rows = curve[curve["protocol"] == protocol]
        _lines(mse_axis, rows, ("test_mse", "mse_low", "mse_high"))
        _lines(icc_axis, rows, ("test_icc", "icc_low", "icc_high"))
        if protocol == "paper":
            for _, row in published.iterrows():
                icc_axis.plot(row["training"], row["icc"], "D", mfc="none", mec=colour(row["arm"]), ms=6)
            icc_axis.plot([], [], "D", mfc="none", mec=FAINT, label="published (real scans)")
        own = "paper's protocol" if protocol == "paper" else "setsum's protocol"
        mse_axis.set(title=f"{own}: MSE", ylabel="test MSE")
        icc_axis.set(title=f"{own}: ICC", ylabel="test ICC(A,1)")
        for axis in (mse_axis, icc_axis):
            axis.set_xlabel("training scans" if protocol == "paper" else "development scans")
    handles = dict(
        pair for _, axis in grid for pair in zip(*reversed(axis.get_legend_handles_labels()), strict=True)
    )
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _lines(axis: Axes, rows: pd.DataFrame, names: tuple[str, str, str]) -> None:
    arms = in_order(rows["arm"])
    for number, arm in enumerate(arms):
        mine = rows[rows["arm"] == arm]
        value, low, high = (mine[name].to_numpy(float) for name in names)
        # Beside each other, so that intervals can be read.
        x = mine["training"].to_numpy(float) + 0.25 * (number - (len(arms) - 1) / 2)
        axis.vlines(x, low, high, color=colour(arm), lw=1.2, alpha=0.8)
        axis.plot(x, value, "o-", color=colour(arm), ms=4, lw=1.2, label=arm)


def _compared(protocol: str, studies: Sequence[Records]) -> list[dict[str, object]]:
    tables = [averaged(standing_predictions(records)) for records in studies]
    both = (
        pd.concat(tables)
        .groupby(["arm", "scan"], as_index=False)
        .agg(label=("label", "first"), prediction=("prediction", "mean"), sizes=("prediction", "size"))
    )
    both = both[both["sizes"] == len(studies)]
    wide = both.pivot(index="scan", columns="arm", values="prediction").sort_index()
    wide["label"] = both.drop_duplicates("scan").set_index("scan")["label"]
    rows = []
    for first, second in PAIRS:
        if first in wide and second in wide:
            pair = wide[["label", first, second]].dropna()
            labels, x, y = (pair[name].to_numpy(float) for name in ("label", first, second))
            seed = [studies[0].seed, crc32(f"{protocol} {first} {second}".encode())]
            row = {"protocol": protocol, "first": first, "second": second, "sizes": len(studies)}
            rows.append(row | _pair(x, y, labels, np.random.default_rng(seed)))
    return rows


def _pair(
    x: np.ndarray, y: np.ndarray, labels: np.ndarray, generator: np.random.Generator
) -> dict[str, object]:
    gap = paired_bootstrap(x, y, labels, generator=generator)
    swap = swap_permutation(x, y, labels, generator=generator)
    iccs = float(icc(x, labels)), float(icc(y, labels))
    t, p = williams(*iccs, float(icc(x, y)), len(labels))
    return {
        "scans": len(labels),
        "icc_first": iccs[0],
        "icc_second": iccs[1],
        "icc_difference": gap.icc,
        "icc_low": gap.icc_interval.low,
        "icc_high": gap.icc_interval.high,
        "mse_difference": gap.mse,
        "mse_low": gap.mse_interval.low,
        "mse_high": gap.mse_interval.high,
        "swap_p_icc": swap.icc,
        "swap_p_mse": swap.mse,
        "williams_t": t,
        "williams_p": p,
    }


def _mse_interval(records: Records, arm: str) -> tuple[float, float]:
    """95% percentile bootstrap over test scans."""
    mean = averaged(standing_predictions(records))
    mean = mean[mean["arm"] == arm].sort_values("scan", kind="stable")
    squares = (mean["prediction"] - mean["label"]).to_numpy(float) ** 2
    if len(squares) < 3:
        return float("nan"), float("nan")
    generator = np.random.default_rng([records.seed, crc32(arm.encode())])
    drawn = squares[generator.integers(len(squares), size=(RESAMPLES, len(squares)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _protocol(records: Records) -> str:
    return str((records.settings.get("validation") or {}).get("protocol", "kfold"))
