"""Findings: every table as CSV, every figure as SVG and PNG, from a study directory.

`python -m analysis.findings STUDY_DIR [NAME]` writes them, or the one of that name, under STUDY_DIR/findings.
What is in them comes from one function a table and one a figure; `analysis.files` writes them.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from analysis.bland_altman import difference_against_mean
from analysis.comparison import comparison_table
from analysis.coordinates import coordinates_figure, ranked_trials
from analysis.coverage import DIFFERENCES, coverage_sentence, with_coverage
from analysis.curves import validation_curves
from analysis.detectable import detectable_table
from analysis.drawing import Drawing, label_spread, on_development
from analysis.exploration import exploration_drawings, exploration_tables
from analysis.extrapolation import improving_note
from analysis.files import write_all
from analysis.optimism import optimism_figure, optimism_table
from analysis.per_seed import per_seed_table
from analysis.records import Records, read_records
from analysis.scatter import predicted_against_true
from analysis.script import run_script
from analysis.selection import best_trial
from analysis.style import MANY, PIXELS
from analysis.summary import summarise, verdict_text
from analysis.tested import agreement_table, averaged, external_cohorts, groups_of, standing_predictions
from analysis.words import in_order, opened, opening_note, slug
from analysis.worst import worst_figure
from study.badinput import BadInput
from study.record import StudyDirectory


def tables(records: Records) -> dict[str, pd.DataFrame]:
    """All tables by the stem of their files; those of stages that have not run are empty."""
    agreement = agreement_table(records)
    explored = exploration_tables(records)
    summary = summarise(records, agreement, explored["improving"])
    counts = [opened(records.openings, cohort) for cohort in agreement["cohort"]]
    agreement["openings"] = [count for count, _ in counts]
    agreement["opened_at"] = [times for _, times in counts]
    comparison = comparison_table(records)
    return {
        "summary": with_coverage(summary, "icc", scans="test_groups"),
        "comparison": with_coverage(comparison, *DIFFERENCES, scans="groups"),
        "detectable": detectable_table(records, comparison),
        "agreement": with_coverage(agreement, "icc", scans="groups"),
        "per_seed": per_seed_table(agreement),
        "confirmed": optimism_table(records),
        **explored,
    }


def drawings(records: Records, found: dict[str, pd.DataFrame]) -> Iterator[Drawing]:
    """All figures of the `tables` found, each drawn when asked for; stages that have not run give none."""
    for cohort in ["test", *external_cohorts(records)]:
        standing = standing_predictions(records, cohort)
        if not standing.empty:
            yield _scatter(records, found, cohort, standing)
            yield _bland_altman(records, found, cohort, standing)
    note = improving_note(found["improving"])
    yield _curves(records, note)
    yield from exploration_drawings(records, found)
    if (records.trials["status"] == "completed").any():
        yield _coordinates(records, note)
    if not found["confirmed"].empty:
        yield _optimism(records, found["confirmed"], note)
    for (where, arm), slices in records.worst.groupby(["cohort", "arm"], sort=False):
        yield _worst(str(where), str(arm), slices)


def write_findings(root: Path, only: str | None = None) -> list[Path]:
    """Write all tables and figures of a study, or `only` that one; returns the files, under `findings`.

    Raises:
        BadInput: The study has no trials yet, or has nothing of that name.
    """
    records = read_records(root)
    place = StudyDirectory(Path(root)).findings
    found = tables(records)
    written = write_all(place, found, drawings(records, found), only)
    if only and not written:
        raise BadInput(
            f"has no table or figure `{only}`", where=str(root), fix="Leave it out: all are written"
        )
    return written


def _scatter(
    records: Records, found: dict[str, pd.DataFrame], cohort: str, standing: pd.DataFrame
) -> Drawing:
    arms = found["summary"].dropna(subset=["trial"])
    verdicts = {row["arm"]: verdict_text(row) for _, row in arms.iterrows()}
    scores, where, seeds = _of_cohort(found, cohort, standing)
    covered = coverage_sentence("icc", scans=len(set(groups_of(standing))))
    return Drawing(
        name=_stem("predictions", cohort),
        title=_title("Predicted and true", cohort),
        caption=f"{where}. Points are predictions averaged over up to {seeds} seeds, grey lines "
        "their range over seeds; on the dashed line prediction equals label. Brackets: 95% interval. "
        f"{covered} {opening_note(records.openings, cohort)}{improving_note(found['improving'])}",
        figure=predicted_against_true(standing, scores, verdicts, records.unit),
    )


def _bland_altman(
    records: Records, found: dict[str, pd.DataFrame], cohort: str, standing: pd.DataFrame
) -> Drawing:
    scores, where, seeds = _of_cohort(found, cohort, standing)
    return Drawing(
        name=_stem("bland_altman", cohort),
        title=_title("Errors and limits of agreement", cohort),
        caption=f"{where}. Points are predictions averaged over up to {seeds} seeds, as prediction minus "
        "label against the mean of both. Red: the mean difference (bias) and, dashed, the limits that 95% "
        "of the differences keep to if they are normal and no larger for larger labels (Bland and Altman "
        f"1999); shaded: 95% intervals of each. {opening_note(records.openings, cohort)}"
        + improving_note(found["improving"]),
        figure=difference_against_mean(averaged(standing), scores, records.unit),
    )


def _of_cohort(
    found: dict[str, pd.DataFrame], cohort: str, standing: pd.DataFrame
) -> tuple[pd.DataFrame, str, int]:
    """The scores of a cohort's averaged predictions, which scans they are of, and most seeds of an arm."""
    agreement = found["agreement"]
    scores = agreement[(agreement["cohort"] == cohort) & (agreement["seed"] == "mean")]
    where = "test scans" if cohort == "test" else f"scans of the external cohort {cohort}"
    return scores, f"{standing['scan'].nunique()} {where}", int(scores["seeds"].max())


def _stem(name: str, cohort: str) -> str:
    return name if cohort == "test" else f"{name}_{slug(cohort)}"


def _title(title: str, cohort: str) -> str:
    return title if cohort == "test" else f"{title}: {cohort}"


def _curves(records: Records, improving: str) -> Drawing:
    arms = in_order(records.trials["arm"])
    found = {arm: best_trial(records.trials, records.confirmed, arm) for arm in arms}
    best = {arm: trial for arm, trial in found.items() if trial is not None}
    return Drawing(
        name="curves",
        title="Validation curves",
        caption=f"Pooled out-of-fold MSE of every trial {on_development(records)}, each scan predicted by "
        "networks that did not train on it. The marker is the chosen length of the arm's best trial, its "
        "shape the verdict. Dashed: the variance of the labels, the error of predicting the mean."
        + improving
        + (PIXELS if len(records.trials) > MANY else ""),
        figure=validation_curves(records.curves, records.trials, best, label_spread(records)[0]),
    )


def _coordinates(records: Records, improving: str) -> Drawing:
    return Drawing(
        name="coordinates",
        title="Configurations and their scores",
        caption="Parallel coordinates: a line a completed trial, through what the arms vary to its pooled "
        f"out-of-fold score {on_development(records)} (lower is better). The best tenth of each "
        "arm is drawn in full colour. An arm that holds a field fixed passes through its fixed value."
        + improving
        + (PIXELS if len(records.trials) > MANY else ""),
        figure=coordinates_figure(ranked_trials(records.trials)),
    )


def _worst(cohort: str, arm: str, slices: pd.DataFrame) -> Drawing:
    return Drawing(
        name=_stem(f"worst_{slug(arm)}", cohort),
        title=_title(f"Largest errors of {arm}", cohort),
        caption=f"The {slices['scan'].nunique()} scans with the largest errors, as the networks see them, "
        "and where they looked: what each voxel adds to the prediction (gradient times input, mean over "
        "networks and views; red raises it, blue lowers it), through the place that weighed most.",
        figure=worst_figure(slices),
    )


def _optimism(records: Records, table: pd.DataFrame, improving: str) -> Drawing:
    return Drawing(
        name="optimism",
        title="Searched and confirmed",
        caption=f"The configurations that were trained again with {int(table['seeds'].max())} fresh seeds "
        "and redrawn folds. Above the dashed line the search had flattered them. Confirm uses the same "
        f"{len(records.development)} development scans: it removes the luck of seeds and folds, not all of "
        "the winner's curse." + improving,
        figure=optimism_figure(table, records.confirmed),
    )


if __name__ == "__main__":
    run_script("analysis.findings", write_findings, "NAME")
