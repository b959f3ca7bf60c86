"""Table and figure: what searching cost in honesty: searched, bias-corrected, confirmed and test score."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.bbc import RESAMPLES, bias_corrected
from analysis.records import Records
from analysis.searched import MOST
from analysis.selection import best_trial, confirmed_means, is_mae
from analysis.style import INK, RULE, colour, log_y, styled
from analysis.tested import averaged, standing_predictions
from analysis.words import clipped, in_order
from study.agreement import mae, mse

COLUMNS = [
    *("arm", "trials", "scans", "searched_trial", "searched", "bbc", "bbc_low", "bbc_high"),
    *("winner", "confirmed", "confirmed_sd", "test", "test_scans"),
]


def price_table(records: Records, chosen: pd.DataFrame) -> pd.DataFrame:
    """A row an arm: the score that its search promised, and what became of it.

    `searched` is the lowest score of `trials` searched configurations, `bbc` its bootstrap
    bias-corrected estimate with the middle 95% of the resamples, `confirmed` the mean over fresh
    seeds of the `winner` among the confirmed configurations, `test` that one's score on the test
    scans, its predictions averaged over seeds. Missing where a stage has not run.

    Args:
        records: Of the study.
        chosen: Errors by arm and trial (rows) and scan; of `read_searched`.
    """
    arms = in_order(chosen.index.get_level_values("arm"))
    return pd.DataFrame([_row(records, arm, pd.DataFrame(chosen.loc[arm])) for arm in arms], columns=COLUMNS)


def _row(records: Records, arm: str, errors: pd.DataFrame) -> dict[str, object]:
    errors = errors.sort_index().dropna(axis=1)
    scores = errors.mean(axis=1)
    corrected = bias_corrected(errors.to_numpy(float), np.random.default_rng(records.seed))
    row: dict[str, object] = {
        "arm": arm,
        "trials": len(errors),
        "scans": errors.shape[1],
        "searched_trial": scores.index[int(scores.to_numpy().argmin())],
        "searched": scores.min(),
        "bbc": corrected.score,
        "bbc_low": corrected.low,
        "bbc_high": corrected.high,
    }
    return row | _confirmed(records, arm) | _tested(records, arm)


def _confirmed(records: Records, arm: str) -> dict[str, object]:
    if not (records.confirmed["arm"] == arm).any():
        return {}
    best, means = best_trial(records.trials, records.confirmed, arm), confirmed_means(records.confirmed, arm)
    if best is None or best not in means.index:
        return {}
    mine = records.confirmed[(records.confirmed["arm"] == arm) & (records.confirmed["trial"] == best)]
    return {"winner": best, "confirmed": means[best], "confirmed_sd": mine["score"].std(ddof=1)}


def _tested(records: Records, arm: str) -> dict[str, object]:
    standing = standing_predictions(records)
    mine = averaged(standing[standing["arm"] == arm])
    if mine.empty:
        return {}
    score = mae if is_mae(records.trials) else mse
    return {"test": float(score(mine["prediction"], mine["label"])), "test_scans": len(mine)}


def price_caption(table: pd.DataFrame) -> str:
    """Which scans, how many trials and resamples, and how to read it."""
    scans, trials = int(table["scans"].max()), int(table["trials"].max())
    most = f" (the best {MOST} of an arm at most)" if trials == MOST else ""
    text = (
        f"Searched: the lowest pooled out-of-fold error of up to {trials} completed trials an arm{most}, "
        f"each at its chosen length, on {scans} development scans, one seed. Bias-corrected: BBC-CV "
        f"(Tsamardinos et al. 2018), the same choice repeated on {RESAMPLES:,} bootstrap resamples of the "
        "scans and scored on those left out; the bar is the middle 95% of the resamples. It corrects the "
        "choice among trials, not that of each one's length, and says nothing of fresh seeds."
    )
    if table["confirmed"].notna().any():
        text += " Confirmed: mean and SD over fresh seeds and redrawn folds of the same scans."
    if table["test"].notna().any():
        tested = int(table["test_scans"].max())
        text += (
            f" Test: {tested} other scans, predictions averaged over the networks of all folds and seeds, "
            "which alone lowers an error; and the scans may be easier or harder."
        )
    return text


@styled
def price_figure(table: pd.DataFrame, improving: pd.DataFrame, mean_error: float, score: str) -> Figure:
    """The scores of each arm side by side; a rising line is the price of having searched.

    Args:
        table: From `price_table`.
        improving: From `improving_table`: these arms are marked.
        mean_error: Score of predicting the mean on the development scans; NaN draws no line.
        score: Its name.
    """
    steps = {"searched": "searched", "bbc": "bias-corrected", "confirmed": "confirmed", "test": "test"}
    steps = {name: label for name, label in steps.items() if table[name].notna().any()}
    figure = Figure(figsize=(max(4.8, 1.6 * len(table) + 2), 4.2), layout="constrained")
    axis = figure.subplots()
    log_y(axis)
    offsets = np.linspace(-0.3, 0.3, len(steps))
    markers = {"searched": "o", "bbc": "D", "confirmed": "s", "test": "*"}
    for place, (_, row) in enumerate(table.iterrows()):
        hue = colour(row["arm"])
        axis.plot(place + offsets, [row[name] for name in steps], color=hue, lw=1, alpha=0.5, zorder=2)
        for offset, name in zip(offsets, steps, strict=True):
            look: dict[str, Any] = {"color": hue, "ms": 10 if name == "test" else 6.5, "mec": "white"}
            axis.errorbar(place + offset, row[name], yerr=_bars(row, name), fmt=markers[name], lw=1.2, **look)
    unfinished = set(improving["arm"])
    ends = ["\n(still improving)" if arm in unfinished else "" for arm in table["arm"]]
    names = [clipped(arm, 22) + end for arm, end in zip(table["arm"], ends, strict=True)]
    axis.set_xticks(range(len(table)), names, parse_math=False)
    axis.tick_params(axis="x", length=0)
    axis.grid(visible=False, axis="x")
    axis.set_ylabel(score)
    if np.isfinite(mean_error):
        axis.axhline(mean_error, color=RULE, lw=1, ls=(0, (4, 3)), zorder=1)
    handles = [Line2D([], [], marker=markers[n], ls="", color=INK, label=label) for n, label in steps.items()]
    handles.append(
        Line2D([], [], color=RULE, lw=1, ls=(0, (4, 3)), label="predicting the mean (development)")
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _bars(row: "pd.Series", name: str) -> list[list[float]] | None:
    """The spread below and above a score, (2, 1); none where there is none."""
    if name == "bbc" and pd.notna(row["bbc"]):
        return [[row["bbc"] - row["bbc_low"]], [row["bbc_high"] - row["bbc"]]]
    if name == "confirmed" and pd.notna(row["confirmed_sd"]):
        # On a logarithmic axis a bar cannot reach zero.
        return [[min(row["confirmed_sd"], 0.9 * row["confirmed"])], [row["confirmed_sd"]]]
    return None
