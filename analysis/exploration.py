"""What a search says beyond its winner: strength, cost, importances, the price of having searched.

Tables and figures with their captions; `analysis.findings` writes them.
"""

from collections.abc import Iterator

import pandas as pd

from analysis import importances
from analysis.cost import LEFT, cost_figure, cost_table
from analysis.drawing import Drawing, on_development, score_of
from analysis.extrapolation import improving_note, improving_table, improving_trials
from analysis.flat import flat_region
from analysis.importances import importances_figure, importances_table, too_few
from analysis.price import price_caption, price_figure, price_table
from analysis.records import Records
from analysis.searched import read_searched
from analysis.shift import shift_table
from analysis.slices import FEWEST, contour_table, searched_sets, slices_figure
from analysis.smooth import MOST as SMOOTHED
from analysis.strength import strength_figure
from analysis.style import MANY, PIXELS
from analysis.tradeoff import judged, smoothed_table, tradeoff_table, unranked, unsmoothed_reason


def exploration_tables(records: Records) -> dict[str, pd.DataFrame]:
    """Tables by the stem of their files; where there is too little to go by they are empty."""
    mean_error = score_of(records)[1]
    improving = improving_trials(records.trials, records.confirmed)
    searched = read_searched(records, improving)
    trials = tradeoff_table(records.trials, records.curves, flat_region(records.trials, searched.chosen))
    drawn = judged(trials, records.trials)
    return {
        "trials": trials,
        "improving": improving_table(searched.followed, improving),
        "strength": smoothed_table(drawn),
        "cost": cost_table(trials, records.curves, mean_error),
        "importances": importances_table(records.trials, records.seed),
        "slices": contour_table(searched_sets(drawn, records.trials)),
        "price": price_table(records, searched.chosen),
        "shift": shift_table(records),
    }


def exploration_drawings(records: Records, found: dict[str, pd.DataFrame]) -> Iterator[Drawing]:
    """The figures of the `exploration_tables` found, each drawn when asked for."""
    drawn = judged(found["trials"], records.trials)
    if len(drawn):
        yield _strength(records, found, drawn)
        yield _cost(records, found)
        sets = searched_sets(drawn, records.trials)
        if sets["n"].nunique() > 1 or sets["p"].nunique() > 1:
            yield _slices(records, found, sets)
    if len(found["importances"]):
        yield _importances(records, found["importances"])
    if len(found["price"]):
        yield _price(records, found)


def _strength(records: Records, found: dict[str, pd.DataFrame], drawn: pd.DataFrame) -> Drawing:
    score, mean_error = score_of(records)
    smoothed, left_out = found["strength"], unranked(records.trials)
    caption = (
        f"{len(drawn)} completed trials {on_development(records)}, against three faces "
        "of the strength of regularisation" + (f" (not ranked: {left_out})" if left_out else "") + ". "
        "Triangles were still improving when their budget ended, crosses never left the mean: neither is "
        "evidence against its setting."
    )
    if len(smoothed):
        caption += (
            " Line: the mean over the settings that the search tried, by Gaussian-process regression on "
            f"{int(smoothed['trials'].max())} trials that left the mean (at most {SMOOTHED}), with its 95% "
            "limits; the best settings lie below it."
        )
    if drawn["train_error"].notna().any():
        caption += (
            " Training error: at the end of the budget, on scans the predicting networks trained on, through "
            "the same views and without dropout; the distance between the lines is the generalisation gap."
        )
    caption += _flat_sentence(drawn) + unsmoothed_reason(drawn, smoothed) + improving_note(found["improving"])
    return Drawing(
        name="tradeoff",
        title="Error against regularisation strength",
        caption=caption + (PIXELS if len(drawn) > MANY else ""),
        figure=strength_figure(drawn, smoothed, mean_error, score),
    )


def _flat_sentence(drawn: pd.DataFrame) -> str:
    least = drawn[drawn["least"]]
    if least.empty:
        return ""
    row = least.iloc[0]
    return (
        f" Within one standard error of the best trial, paired by scan: {int(drawn['flat'].sum())} trials; "
        f"the least regularised of them is {row['arm']} #{int(row['trial'])} ({row['configuration']}). "
        "Chosen on the scans that were searched with."
    )


def _cost(records: Records, found: dict[str, pd.DataFrame]) -> Drawing:
    score, mean_error = score_of(records)
    table = found["cost"]
    return Drawing(
        name="cost",
        title="Error against cost",
        caption=f"{len(table)} completed trials {on_development(records)}. Rings and "
        "line: the Pareto front, trials that no other beats at the same or a lower cost. The plateau is left "
        f"at the first report from which the error stays below {LEFT:.0%} of the mean predictor's; trials "
        "that never did have no place there. Presentations are a fold's; seconds depend on what else the "
        "machines did, memory on what a reused process held before."
        + improving_note(found["improving"])
        + (PIXELS if len(table) > MANY else ""),
        figure=cost_figure(table, found["improving"], mean_error, score),
    )


def _slices(records: Records, found: dict[str, pd.DataFrame], sets: pd.DataFrame) -> Drawing:
    score, mean_error = score_of(records)
    contour = found["slices"]
    caption = (
        f"{len(sets)} completed trials of the arms that search n or p, {on_development(records)}; "
        "other settings vary along with them."
    )
    if len(contour):
        caption += (
            f" Right: the smoothed error (Gaussian-process regression on {int(contour['trials'].max())} "
            f"trials that left the mean, at most {SMOOTHED}; dots are all trials), white where it is less "
            "sure than a single trial."
        )
    else:
        caption += f" No map over both: it needs {FEWEST} trials that left the mean, at three n and three p."
    return Drawing(
        name="slices",
        title="Set size and blanks",
        caption=caption + improving_note(found["improving"]) + (PIXELS if len(sets) > MANY else ""),
        figure=slices_figure(sets, contour, mean_error, score),
    )


def _importances(records: Records, table: pd.DataFrame) -> Drawing:
    used = int(table["trials"].max())
    most = f", the first {used} of an arm" if used == importances.MOST else ""
    return Drawing(
        name="importances",
        title="Which parameters matter",
        caption=f"Completed trials of the full budget {on_development(records)}{most}. "
        "PED-ANOVA: what sets the better trials apart; "
        "fANOVA: how large each parameter's own effect is beside those of the others, in a random forest "
        "fitted to the scores. Both are scaled to sum to one over an arm, and do so on pure noise too. "
        f"Lines: the middle 80% over {int(table['resamples'].max())} bootstrap resamples of the trials; "
        "where they overlap, the order means nothing. A sampler that follows good trials tries fewer values "
        "of what matters, which makes that look smaller." + too_few(records.trials),
        figure=importances_figure(table),
    )


def _price(records: Records, found: dict[str, pd.DataFrame]) -> Drawing:
    score, mean_error = score_of(records)
    return Drawing(
        name="price",
        title="The price of searching",
        caption=price_caption(found["price"]) + improving_note(found["improving"]),
        figure=price_figure(found["price"], found["improving"], mean_error, score),
    )
