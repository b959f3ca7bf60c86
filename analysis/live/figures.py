"""Which figures of a report are live, by the names of their drawings."""

import pandas as pd

from analysis.coordinates import ranked_trials
from analysis.drawing import label_spread
from analysis.live.agreement import bland_altman, predicted
from analysis.live.coordinates import parallel
from analysis.live.curves import curves
from analysis.live.frame import Live
from analysis.live.importances import importances
from analysis.live.optimism import optimism
from analysis.live.tradeoff import tradeoff
from analysis.records import Records
from analysis.selection import best_trial, is_mae
from analysis.tested import external_cohorts, standing_predictions
from analysis.words import in_order, slug


def live_figure(name: str, records: Records, found: dict[str, pd.DataFrame]) -> Live | None:
    """The live figure that goes with the drawing of that name; None where a drawing has none.

    Args:
        name: Of a `Drawing`, the stem of its files.
        records: Of the study.
        found: Its tables.
    """
    trials, score = records.trials, "MAE" if is_mae(records.trials) else "MSE"
    if name == "curves":
        return curves(records.curves, trials, _best(records), label_spread(records)[0])
    if name == "tradeoff":
        return tradeoff(trials, found["strength"], label_spread(records)[is_mae(trials)])
    if name == "coordinates":
        return parallel(ranked_trials(trials))
    if name == "optimism":
        return optimism(found["confirmed"], score)
    if name == "importances":
        return importances(found["importances"])
    return _of_cohort(name, records, found["agreement"])


def figure_json(figure: Live) -> dict[str, object]:
    """What the page's script draws."""
    return {"data": figure.data, "layout": figure.layout, "width": figure.width}


def _of_cohort(name: str, records: Records, agreement: pd.DataFrame) -> Live | None:
    for cohort in ["test", *external_cohorts(records)]:
        end = "" if cohort == "test" else f"_{slug(cohort)}"
        if name not in (f"predictions{end}", f"bland_altman{end}"):
            continue
        standing = standing_predictions(records, cohort)
        scores = agreement[(agreement["cohort"] == cohort) & (agreement["seed"] == "mean")]
        if name.startswith("bland_altman"):
            return bland_altman(standing, scores, records.unit)
        return predicted(standing, scores, records.unit)
    return None


def _best(records: Records) -> dict[str, int]:
    found = {
        arm: best_trial(records.trials, records.confirmed, arm) for arm in in_order(records.trials["arm"])
    }
    return {arm: trial for arm, trial in found.items() if trial is not None}
