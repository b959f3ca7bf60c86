"""The report: one HTML file that opens from disk and tells what a study found, and how surely.

`python -m analysis.report STUDY_DIR` writes STUDY_DIR/report.html.
"""

import json
from pathlib import Path

import pandas as pd
import yaml

from analysis import page
from analysis.baselines import readable_comparison
from analysis.findings import drawings, tables
from analysis.inference import UNDERCOVERAGE
from analysis.per_seed import readable_per_seed
from analysis.records import Records, read_records
from analysis.script import run_script
from analysis.selection import is_mae
from analysis.summary import readable
from analysis.tested import external_cohorts, stale_arms
from analysis.tradeoff import unranked
from analysis.verdict import verdict_sentences
from analysis.words import NOTHING, fixed, interval, number, opening_note, signed
from study.password import mask
from study.record import StudyDirectory, write_text

SHOWN = 300
"""Rows of a table of trials; a page with thousands opens slowly and nobody reads them."""


def write_report(root: Path) -> Path:
    """Write the report of a study and return its path; stages that have not run are left out.

    Raises:
        BadInput: The study has no trials yet.
    """
    records = read_records(root)
    found = tables(records)
    place = StudyDirectory(Path(root))
    name = place.root.resolve().name
    lead = "".join(page.paragraph(text, kind) for text, kind in verdict_sentences(records, found))
    sections = [
        ("Result", _result(records, found)),
        ("Arms compared", _comparison(records, found["comparison"])),
        *_figures(records, found),
        ("Agreement by seed", _per_seed(found["per_seed"]) + _agreement(records, found["agreement"])),
        ("Confirmed configurations", _confirmed(found["confirmed"])),
        ("All trials", _trials(found["trials"])),
        ("Where this comes from", _provenance(records)),
    ]
    write_text(place.report, page.page(f"setsum study: {name}", lead, sections))
    return place.report


def _result(records: Records, found: dict[str, pd.DataFrame]) -> str:
    unit = f" Labels are in {records.unit}, MSE in their square." if records.unit else ""
    score = "MAE" if is_mae(records.trials) else "MSE"
    notes = [
        f"Validation is the search's pooled out-of-fold {score}, confirmed its mean and SD over fresh seeds "
        "and redrawn folds, optimism searched minus confirmed (negative: the search flattered itself). An "
        "arm that was still improving when its budget ended is not beaten, only unfinished; one that is "
        f"stuck never left predicting the mean.{unit}",
        opening_note(records.openings),
        UNDERCOVERAGE,
    ]
    if stale := stale_arms(records):
        notes.append(
            f"Tested with a configuration that no longer stands for its arm: {', '.join(stale)}. "
            "Run `setsum test` again."
        )
    body = page.table(readable(found["summary"]), "End table, a row an arm")
    return body + "".join(page.paragraph(note, "soft") for note in notes)


def _comparison(records: Records, table: pd.DataFrame) -> str:
    if table.empty:
        return ""
    within = "within sites" if table["stratified"].any() else "over all scans"
    note = (
        "Predictions are averaged over seeds first; seeds never count as scans. Intervals: paired percentile "
        f"bootstrap over scans, resampled {within}. Swap test: paired permutation, 9,999 swaps, the primary "
        "result; Holm over the rows that claim an arm is better (against base, set_sum_dropout against "
        "dropout), and apart from them over the ablations against set_sum. Williams' test on the ICCs is as "
        "in the paper, approximate: it was made for Pearson correlations, where it stands last."
    )
    body = page.table(readable_comparison(table), "Differences between arms on the same test scans")
    return body + page.paragraph(note, "soft") + page.paragraph(opening_note(records.openings), "soft")


def _figures(records: Records, found: dict[str, pd.DataFrame]) -> list[tuple[str, str]]:
    return [
        (
            drawing.title,
            page.picture(drawing.image("svg"), f"{drawing.title}. {drawing.caption}", drawing.caption),
        )
        for drawing in drawings(records, found)
    ]


def _per_seed(table: pd.DataFrame) -> str:
    if table.empty:
        return ""
    return page.table(readable_per_seed(table), "Scores of single seeds, mean ± SD over seeds")


def _agreement(records: Records, table: pd.DataFrame) -> str:
    if table.empty:
        return ""
    shown = pd.DataFrame(
        {
            "cohort": table["cohort"],
            "arm": table["arm"],
            "seed": [str(seed) if seed != "mean" else "mean over seeds" for seed in table["seed"]],
            "scans": table["scans"].astype(str),
            "MSE": table["mse"].map(number),
            "MAE": table["mae"].map(number),
            "bias": table["bias"].map(lambda value: signed(value, 2)),
            "limits of agreement": [
                f"{number(low)} to {number(high)}"
                for low, high in zip(table["loa_lower"], table["loa_upper"], strict=True)
            ],
            "Pearson": table["pearson"].map(fixed),
            "Spearman": table["spearman"].map(fixed),
            "ICC(1)": table["icc_1"].map(fixed),
            "ICC(C,1)": table["icc_c1"].map(fixed),
            "ICC(A,1)": table["icc"].map(fixed),
            "95%": [
                interval(low, high) for low, high in zip(table["icc_low"], table["icc_high"], strict=True)
            ],
        }
    )
    if table["icc_truth"].notna().any():
        shown["ICC with the truth"] = table["icc_truth"].map(fixed)
    cohorts = ["test", *external_cohorts(records)]
    notes = " ".join(opening_note(records.openings, cohort) for cohort in cohorts)
    return page.table(shown, "Scores by cohort, arm and seed") + page.paragraph(notes, "soft")


def _confirmed(table: pd.DataFrame) -> str:
    if table.empty:
        return ""
    marks = {"winner": "winner", "within_one_se": "least regularised within 1 SE"}
    shown = pd.DataFrame(
        {
            "arm": table["arm"],
            "trial": [
                f"#{trial} {text}" for trial, text in zip(table["trial"], table["configuration"], strict=True)
            ],
            "verdict": table["verdict"].fillna(NOTHING),
            "seeds": table["seeds"].astype(str),
            "length": table["length"].map(lambda length: f"{int(length):,}"),
            "searched": table["searched"].map(number),
            "confirmed": table["confirmed"].map(number),
            "SD": table["confirmed_sd"].map(lambda sd: number(sd, 2)),
            "": [", ".join(text for key, text in marks.items() if row[key]) for _, row in table.iterrows()],
        }
    )
    return page.table(shown, "Configurations trained again with fresh seeds")


def _trials(table: pd.DataFrame) -> str:
    done = table["status"] == "completed"
    kept = {"rank": "rank", "arm": "arm", "trial": "trial", "configuration": "configuration"}
    numbers = {"score": "score", "icc": "ICC", "expected_set_size": "n(1 - p)", "mean_error_weight": "λ"}
    numbers |= {"distinct_sets": "distinct sets", "seconds": "seconds"}
    ranked = table.loc[done, [*kept, "verdict", *numbers]].fillna({"verdict": NOTHING})
    ranked["rank"] = ranked["rank"].map(number)
    for name in numbers:
        ranked[name] = ranked[name].map(number)
    failed = table.loc[~done, ["arm", "trial", "configuration", "status", "reason"]].fillna(
        {"reason": NOTHING}
    )
    text = f"{done.sum()} trials completed their budget"
    text += f"; {unranked(table)}: counted, not ranked." if unranked(table) else "."
    shown = ranked.head(SHOWN).rename(columns=kept | numbers)
    return (
        page.paragraph(text)
        + page.table(failed.head(SHOWN), "Trials that did not complete, with reasons")
        + _rest(failed, "that did not complete")
        + page.folded(
            "Completed trials by score", page.table(shown, "Ranked trials") + _rest(ranked, "by score")
        )
    )


def _rest(table: pd.DataFrame, which: str) -> str:
    """What a long table leaves out, and where it is whole."""
    if len(table) <= SHOWN:
        return ""
    return page.paragraph(
        f"Shown: the first {SHOWN} of {len(table):,} trials {which}. All of them: findings/trials.csv.",
        "soft",
    )


def _provenance(records: Records) -> str:
    again = f"python -m analysis.findings {records.root.name}; python -m analysis.report {records.root.name}"
    return (
        page.paragraph(
            "Tables and figures as CSV, SVG and PNG lie in findings/. To make them and this page again:"
        )
        + page.verbatim(again)
        + page.folded(
            "Provenance", page.verbatim(json.dumps(records.provenance, indent=2, ensure_ascii=False))
        )
        + page.folded(
            "Settings",
            page.verbatim(mask(yaml.safe_dump(records.settings, sort_keys=False, allow_unicode=True))),
        )
    )


if __name__ == "__main__":
    run_script("analysis.report", lambda root: [write_report(root)])
