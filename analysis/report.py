"""The report: one HTML file that opens from disk and tells what a study found, and how surely.

`python -m analysis.report STUDY_DIR` writes STUDY_DIR/report.html.
"""

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from analysis import page
from analysis.baselines import readable_comparison
from analysis.coverage import DIFFERENCES, PEARSON, coverage_sentence, rejection_sentence
from analysis.drawing import Drawing
from analysis.files import write_all
from analysis.findings import drawings, tables
from analysis.listing import not_completed, plain_tables, predictions_by_scan, trials_by_score
from analysis.live.figures import figure_json, live_figure
from analysis.live.frame import Live
from analysis.origin import again, origin
from analysis.page import Section
from analysis.per_seed import readable_per_seed
from analysis.pseudonyms import pseudonyms
from analysis.records import Records, read_records
from analysis.script import run_script
from analysis.selection import is_mae
from analysis.style import IN_THE_DARK, small
from analysis.summary import readable
from analysis.tested import external_cohorts, stale_arms, standing_predictions
from analysis.trade_offs_page import trade_offs
from analysis.verdict import TRAINED, grouped_sentence, verdict_sentences
from analysis.words import NOTHING, fixed, interval, number, opening_note, signed
from study.record import StudyDirectory, write_text

SHAPED = (
    *("summary", "comparison", "agreement", "per_seed", "confirmed", "trials"),
    *("improving", "price", "shift"),
)
"""Tables that are shown in a shape of their own."""
LARGE = 150_000
"""Bytes of an SVG from which a PNG is tried."""
RESULT, AGREEMENT, MISSED = "Result", "Agreement", "Largest errors"
TRADE_OFFS, SEARCH, ORIGIN = "Trade-offs", "Search", "Provenance"
PLACES = {
    "predictions": AGREEMENT,
    "bland_altman": AGREEMENT,
    "worst": MISSED,
    "curves": SEARCH,
    "optimism": SEARCH,
    "coordinates": SEARCH,
}
"""Tabs by how the names of their drawings begin; all other drawings are about trade-offs."""


def write_report(root: Path, *, pseudonymise: bool = False) -> Path:
    """Write the report of a study and return its path; stages that have not run are left out.

    Args:
        root: The study directory.
        pseudonymise: Show numbers instead of scan ids; see `analysis.pseudonyms`.

    Raises:
        BadInput: The study has no trials yet.
    """
    records = read_records(root)
    found = tables(records)
    name = records.root.resolve().name
    command = f"setsum report {shlex.quote(name)}"
    if pseudonymise:
        # After the tables: an interval depends, in its last digit, on the order of the scans.
        numbers = pseudonyms(records)
        records, found = numbers.records(records), {key: numbers.table(table) for key, table in found.items()}
        name, command = numbers.text(name), f"{numbers.text(command)} --pseudonymise"
    return _write(records, found, drawings(records, found), name, command)


def write_findings_and_report(root: Path) -> None:
    """What `write_findings` and `write_report` write, from statistics taken and figures drawn once.

    Raises:
        BadInput: The study has no trials yet.
    """
    records = read_records(root)
    found = tables(records)
    drawn = list(drawings(records, found))
    write_all(StudyDirectory(records.root).findings, found, drawn)
    name = records.root.resolve().name
    _write(records, found, drawn, name, f"setsum report {shlex.quote(name)}")


def _write(
    records: Records, found: dict[str, pd.DataFrame], drawn: Iterable[Drawing], study: str, command: str
) -> Path:
    lead = "".join(page.paragraph(text, kind) for text, kind in verdict_sentences(records, found))
    tabs, figures = _tabs(records, found, drawn, study, command)
    place = StudyDirectory(records.root).report
    write_text(place, page.tabbed(f"setsum study: {study}", lead, tabs.items(), figures, IN_THE_DARK))
    return place


def _tabs(
    records: Records, found: dict[str, pd.DataFrame], drawn: Iterable[Drawing], study: str, command: str
) -> tuple[dict[str, list[Section]], dict[str, object]]:
    """Sections by tab, and the live figures in them by name."""
    tabs: dict[str, list[Section]] = {
        RESULT: [
            ("Result", _result(records, found)),
            ("Arms compared", compared(found["comparison"], opening_note(records.openings))),
        ],
        AGREEMENT: [],
        MISSED: [],
        TRADE_OFFS: [],
        SEARCH: [],
        ORIGIN: origin(records, study, command),
    }
    figures: dict[str, object] = {}
    for name, section, live in _figures(records, found, drawn, study):
        tabs[_tab(name)].append(section)
        if live:
            figures[f"figure-{name}"] = figure_json(live)
    by_scan = predictions_by_scan(standing_predictions(records))
    tabs[AGREEMENT] += [
        ("Predictions by scan", by_scan),
        ("Agreement by seed", _per_seed(found["per_seed"]) + _agreement(records, found["agreement"])),
    ]
    tabs[TRADE_OFFS] += [("In numbers", trade_offs(found)), ("As tables", plain_tables(found, SHAPED))]
    tabs[SEARCH] += [
        ("Confirmed configurations", _confirmed(found["confirmed"])),
        ("All trials", trials_by_score(found["trials"])),
        ("Trials that did not complete", not_completed(found["trials"])),
    ]
    return tabs, figures


def _result(records: Records, found: dict[str, pd.DataFrame]) -> str:
    unit = f" Labels are in {records.unit}, MSE in their square." if records.unit else ""
    score = "MAE" if is_mae(records.trials) else "MSE"
    notes = [
        f"Validation is the search's pooled out-of-fold {score}, confirmed its mean and SD over fresh seeds "
        "and redrawn folds, optimism searched minus confirmed (negative: the search flattered itself). An "
        "arm that was still improving when its budget ended is not beaten, only unfinished; one that is "
        f"stuck never left predicting the mean.{unit}",
        opening_note(records.openings),
    ]
    if pd.notna(groups := found["summary"]["test_groups"].max()):
        notes.append(coverage_sentence("icc", scans=int(groups)))
    if stale := stale_arms(records):
        notes.append(
            f"Tested with a configuration that no longer stands for its arm: {', '.join(stale)}. "
            "Run `setsum test` again."
        )
    body = page.table(readable(found["summary"]), "End table, a row an arm")
    return body + "".join(page.paragraph(note, "soft") for note in notes)


def compared(table: pd.DataFrame, opening: str = "") -> str:
    """The section on pairs of arms; `opening` says how often their test scans were opened."""
    if table.empty:
        return ""
    within = "within sites" if table["stratified"].any() else "over all scans"
    note = (
        "Predictions are averaged over seeds first; seeds never count as scans. Intervals: paired "
        f"bootstrap over scans, resampled {within}. Swap test: paired permutation, 9,999 swaps, the primary "
        "result; Holm over the rows that claim an arm is better (against base, set_sum_dropout against "
        "dropout), and apart from them over the ablations against set_sum. Williams' test on the ICCs is as "
        "in the paper, approximate: it was made for Pearson correlations, where it stands last."
        f" {TRAINED}"
    )
    body = page.table(readable_comparison(table), "Differences between arms on the same test scans")
    scans, groups = (int(table[name].max()) for name in ("scans", "groups"))
    limits = [
        coverage_sentence(*DIFFERENCES, scans=groups),
        coverage_sentence(*PEARSON, scans=scans),
        grouped_sentence(scans, groups),
        rejection_sentence(),
        opening,
    ]
    notes = [note, *(text for text in limits if text)]
    return body + "".join(page.paragraph(text, "soft") for text in notes)


def _figures(
    records: Records, found: dict[str, pd.DataFrame], drawn: Iterable[Drawing], study: str
) -> Iterator[tuple[str, Section, Live | None]]:
    """The name, section and live figure of every drawing."""
    for drawing in drawn:
        live = live_figure(drawing.name, records, found)
        caption = f"{drawing.caption} {live.note}".strip() if live else drawing.caption
        body = page.picture(
            _still(drawing),
            f"{drawing.title}. {drawing.caption}",
            caption,
            live=f"figure-{drawing.name}" if live else "",
            command=again(study, drawing.name),
        )
        yield drawing.name, (drawing.title, body), live


def _still(drawing: Drawing) -> bytes:
    """The drawing as SVG; as a small PNG where the SVG is large, as it is with thousands of trials."""
    svg = drawing.image("svg")
    return min(svg, small(drawing.figure), key=len) if len(svg) > LARGE else svg


def _tab(name: str) -> str:
    """The tab of a drawing."""
    return next((tab for start, tab in PLACES.items() if name.startswith(start)), TRADE_OFFS)


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


if __name__ == "__main__":
    run_script("analysis.report", lambda root: [write_report(root)])
