"""Nested cross-validation pooled: the outer folds' test predictions as those of one study.

Each scan is predicted by the models of the one turn that neither trained on it nor chose anything by it.
The turns chose configurations of their own, so what is pooled is the arm: its whole way of searching,
confirming and training. Seeds are matched by their rank within a turn.
"""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from analysis.coverage import coverage_note
from analysis.drawing import Drawing
from analysis.records import REFERENCE, Records
from analysis.scatter import predicted_against_true
from analysis.selection import best_trial
from analysis.style import MARKERS
from analysis.tested import standing_predictions
from analysis.words import in_order, opened

POOLED = 0
"""`trial` of every pooled arm: there is no single configuration behind it."""
_WORST_FIRST = ("stuck", "improving", "converged")
assert set(_WORST_FIRST) < set(MARKERS)


def pooled_records(turns: Sequence[Records]) -> Records:
    """The records of one study whose test scans are those of all turns.

    Raises:
        BadInput: As `best_trial`; a turn has not been tested (its scans are then missing, silently absent).
    """
    first = turns[0]
    empty = {name: getattr(first, name).iloc[:0] for name in ("curves", "oof", "confirmed", "worst")}
    predictions = pd.concat([_ranked(records, turn) for turn, records in enumerate(turns, start=1)])
    return replace(
        first,
        root=first.root.parent,
        trials=pd.DataFrame([_arm(turns, arm) for arm in in_order(first.trials["arm"])]),
        development=pd.concat([records.development for records in turns]).drop_duplicates("scan"),
        predictions=predictions.reset_index(drop=True),
        openings=[line for records in turns for line in records.openings if line.get("cohort") == "test"],
        **empty,
    )


def pooling_note(turns: Sequence[Records]) -> str:
    """What a reader of pooled figures has to know, in words."""
    counts = [opened(records.openings)[0] for records in turns]
    times = "once" if set(counts) == {1} else f"up to {max(counts, default=0)} times"
    return (
        f"These figures pool the test predictions of {len(turns)} outer folds: they come from {len(turns)} "
        "different models an arm, each searched, confirmed and trained without the scans it is tested on, "
        "and often with another configuration. They judge an arm's whole procedure, not one model that could "
        f"be handed on. Each fold's test scans were opened {times}. The models share most of their training "
        "scans, so intervals over scans leave out some of what another cohort would change."
    )


def pooled_scatter(pooled: Records, agreement: pd.DataFrame, note: str) -> Drawing:
    """Predicted against true labels of all scans."""
    standing = standing_predictions(pooled)
    verdicts = dict(zip(pooled.trials["arm"], pooled.trials["verdict"], strict=True))
    scores = agreement[agreement["seed"] == "mean"]
    return Drawing(
        name="predictions",
        title="Predicted and true, outer folds pooled",
        caption=f"{standing['scan'].nunique()} scans, each predicted by the turn that tests it. {note} "
        f"{coverage_note(scores['groups'], 'icc')}",
        figure=predicted_against_true(standing, scores, verdicts, pooled.unit),
    )


def _ranked(records: Records, turn: int) -> pd.DataFrame:
    rows = standing_predictions(records).copy()
    rows["outer_fold"] = turn
    rows["chosen_trial"] = rows["trial"]
    rows["seed"] = rows.groupby("arm")["seed"].rank(method="dense").astype(int) - 1
    rows["trial"] = rows["trial"].where(rows["trial"] == REFERENCE, POOLED)
    return rows


def _arm(turns: Sequence[Records], arm: str) -> "pd.Series":
    """One row an arm in the place of its trials: mean score, and the worst verdict of any turn."""
    best = [_best(records, arm) for records in turns]
    verdicts = {str(row["verdict"]) for row in best}
    row = best[0].copy()
    row["trial"] = POOLED
    row["score"] = sum(float(each["score"]) for each in best) / len(best)
    row["verdict"] = next((verdict for verdict in _WORST_FIRST if verdict in verdicts), None)
    return row


def _best(records: Records, arm: str) -> "pd.Series":
    trial = best_trial(records.trials, records.confirmed, arm)
    trials = records.trials
    return trials[(trials["arm"] == arm) & (trials["trial"] == trial)].iloc[0]
