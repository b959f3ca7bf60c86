"""Findings: every table as CSV, every figure as SVG and PNG, from a study directory.

`python -m analysis.findings STUDY_DIR` writes them under STUDY_DIR/findings. What is in them comes from one
function a table and one a figure; `analysis.files` writes them.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.comparison import comparison_table
from analysis.curves import validation_curves
from analysis.files import Drawing, write_all
from analysis.optimism import optimism_figure, optimism_table
from analysis.records import Records, read_records
from analysis.scatter import predicted_against_true
from analysis.script import run_script
from analysis.selection import best_trial, is_mae
from analysis.style import MANY, PIXELS
from analysis.summary import summarise, verdict_text
from analysis.tested import agreement_table, external_cohorts, standing_predictions
from analysis.tradeoff import tradeoff_figure, tradeoff_table
from analysis.words import in_order, opened, opening_note
from study.record import StudyDirectory


def tables(records: Records) -> dict[str, pd.DataFrame]:
    """All tables by the stem of their files; those of stages that have not run are empty."""
    agreement = agreement_table(records)
    summary = summarise(records, agreement)
    counts = [opened(records.openings, cohort) for cohort in agreement["cohort"]]
    agreement["openings"] = [count for count, _ in counts]
    agreement["opened_at"] = [times for _, times in counts]
    return {
        "summary": summary,
        "comparison": comparison_table(records),
        "agreement": agreement,
        "confirmed": optimism_table(records),
        "trials": tradeoff_table(records.trials),
    }


def drawings(records: Records, found: dict[str, pd.DataFrame]) -> Iterator[Drawing]:
    """All figures of the `tables` found, each drawn when asked for; stages that have not run give none."""
    for cohort in ["test", *external_cohorts(records)]:
        standing = standing_predictions(records, cohort)
        if not standing.empty:
            yield _scatter(records, found, cohort, standing)
    yield _curves(records)
    if (records.trials["status"] == "completed").any():
        yield _tradeoff(records)
    if not found["confirmed"].empty:
        yield _optimism(records, found["confirmed"])


def write_findings(root: Path) -> list[Path]:
    """Write all tables and figures of a study; returns the files written, under `findings`.

    Raises:
        BadInput: The study has no trials yet.
    """
    records = read_records(root)
    place = StudyDirectory(Path(root)).findings
    found = tables(records)
    return write_all(place, found, drawings(records, found))


def label_spread(records: Records) -> tuple[float, float]:
    """MSE and MAE of predicting the mean of the development scans' labels; NaN before any prediction."""
    labels = records.development["label"].to_numpy(float)
    if labels.size == 0:
        return float("nan"), float("nan")
    return float(labels.var()), float(np.abs(labels - labels.mean()).mean())


def _scatter(
    records: Records, found: dict[str, pd.DataFrame], cohort: str, standing: pd.DataFrame
) -> Drawing:
    arms = found["summary"].dropna(subset=["trial"])
    verdicts = {row["arm"]: verdict_text(row) for _, row in arms.iterrows()}
    agreement = found["agreement"]
    scores = agreement[(agreement["cohort"] == cohort) & (agreement["seed"] == "mean")]
    scans, seeds = standing["scan"].nunique(), int(scores["seeds"].max())
    own = cohort == "test"
    where = "test scans" if own else f"scans of the external cohort {cohort}"
    return Drawing(
        name="predictions" if own else f"predictions_{_slug(cohort)}",
        title="Predicted and true" if own else f"Predicted and true: {cohort}",
        caption=f"{scans} {where}. Points are predictions averaged over up to {seeds} seeds, grey lines "
        "their range over seeds; on the dashed line prediction equals label. Brackets: 95% bootstrap "
        f"interval (BCa). {opening_note(records.openings, cohort)}",
        figure=predicted_against_true(standing, scores, verdicts, records.unit),
    )


def _curves(records: Records) -> Drawing:
    arms = in_order(records.trials["arm"])
    found = {arm: best_trial(records.trials, records.confirmed, arm) for arm in arms}
    best = {arm: trial for arm, trial in found.items() if trial is not None}
    return Drawing(
        name="curves",
        title="Validation curves",
        caption="Pooled out-of-fold MSE of every trial on the development scans, each scan predicted by "
        "networks that did not train on it. The marker is the chosen length of the arm's best trial, its "
        "shape the verdict. Dashed: the variance of the labels, the error of predicting the mean."
        + (PIXELS if len(records.trials) > MANY else ""),
        figure=validation_curves(records.curves, records.trials, best, label_spread(records)[0]),
    )


def _tradeoff(records: Records) -> Drawing:
    spread = label_spread(records)[is_mae(records.trials)]
    return Drawing(
        name="tradeoff",
        title="Error against regularisation strength",
        caption="Every completed trial against three faces of the strength of regularisation; trials that "
        "were pruned, diverged or failed are counted, not ranked. Triangles were still improving when their "
        "budget ended, crosses never left the mean: neither is evidence against its setting."
        + (PIXELS if len(records.trials) > MANY else ""),
        figure=tradeoff_figure(records.trials, spread),
    )


def _optimism(records: Records, table: pd.DataFrame) -> Drawing:
    return Drawing(
        name="optimism",
        title="Searched and confirmed",
        caption=f"The configurations that were trained again with {int(table['seeds'].max())} fresh seeds "
        "and redrawn folds. Above the dashed line the search had flattered them. Confirm uses the same "
        "development scans: it removes the luck of seeds and folds, not all of the winner's curse.",
        figure=optimism_figure(table, records.confirmed),
    )


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


if __name__ == "__main__":
    run_script("analysis.findings", write_findings)
