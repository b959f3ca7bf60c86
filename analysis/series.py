"""A series' findings and page: its studies side by side, and what they answer together.

`python -m analysis.series SERIES_DIR` writes SERIES_DIR/findings and SERIES_DIR/report.html. Outer folds of a
nested cross-validation are pooled; an experiment of the paper takes the paper's shape beside its figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from analysis import page
from analysis.baselines import readable_comparison
from analysis.comparison import comparison_table
from analysis.coverage import DIFFERENCES, coverage_note
from analysis.detectable import detectable_table
from analysis.drawing import Drawing
from analysis.explanation import CONVINCING
from analysis.files import write_all
from analysis.members import member_folders
from analysis.nested import pooled_records, pooled_scatter, pooling_note
from analysis.paper import table1, table1_figure
from analysis.published import published
from analysis.records import Records, read_records
from analysis.report import compared
from analysis.script import run_script
from analysis.side_by_side import drawn_side_by_side, readable_side_by_side, side_by_side
from analysis.summary import summarise
from analysis.tested import agreement_table
from analysis.training_sizes import (
    curve_comparison,
    readable_curve_comparison,
    training_curve,
    training_curve_figure,
)
from analysis.verdict import verdict_sentences
from analysis.words import fixed, interval, number, signed
from study.plainyaml import read_yaml
from study.record import StudyDirectory, write_text


@dataclass
class Chapter:
    """What one question of a series comes to: tables, figures, and the page's words and tables."""

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    drawings: list[Drawing] = field(default_factory=list)
    lead: str = ""
    sections: list[tuple[str, str]] = field(default_factory=list)


def write_series(root: Path) -> list[Path]:
    """Write findings and report.html of a series; returns the files written.

    Raises:
        BadInput: There is no series, or a study of it has no trials yet.
    """
    folders, place = member_folders(root), StudyDirectory(root)
    content = read_yaml(place.series)
    assert isinstance(content, dict), "`member_folders` has read it"
    studies = {name: read_records(folder) for name, folder in folders.items()}
    table = side_by_side(folders)
    if (content.get("validation") or {}).get("outer_folds"):
        chapters = [_nested(list(studies.values())), _side_by_side(table)]
    else:
        chapters = [_side_by_side(table), _differences(studies, table)]
    if experiment := content.get("experiment"):
        chapters.insert(0, _experiment(str(experiment), studies, table))
    tables = {name: table for chapter in chapters for name, table in chapter.tables.items()}
    drawings = [drawing for chapter in chapters for drawing in chapter.drawings]
    written = write_all(place.findings, tables, drawings)
    lead = "".join(chapter.lead for chapter in chapters)
    sections = [section for chapter in chapters for section in chapter.sections]
    sections.append(("Where this comes from", _sources(root, folders)))
    write_text(place.report, page.page(f"setsum series: {root.resolve().name}", lead, sections))
    return [*written, place.report]


def _side_by_side(table: pd.DataFrame) -> Chapter:
    drawing = drawn_side_by_side(table)
    body = page.table(readable_side_by_side(table), "A row a study and arm") + _picture(drawing)
    return Chapter({"side_by_side": table}, [drawing], "", [("Studies side by side", body)])


def _differences(studies: Mapping[str, Records], rows: pd.DataFrame) -> Chapter:
    """Arms against each other within each study, on its own test scans; `rows` are those side by side."""
    compared_in = {name: comparison_table(records) for name, records in studies.items()}
    parts = [part.assign(study=name) for name, part in compared_in.items() if not part.empty]
    if not parts:
        return Chapter()
    table = pd.concat(parts, ignore_index=True)
    shown = readable_comparison(table)
    shown.insert(0, "study", table["study"])
    told = table[table["swap_p_icc_holm"] < CONVINCING]
    better = int((told["icc_difference"] > 0).sum())
    text = (
        f"Of {len(table)} comparisons of two arms within a study, {better} found the first better, "
        f"{len(told) - better} worse, and {len(table) - len(told)} could not tell (swap test, Holm within a "
        "study; nothing is corrected for the number of studies)."
    )
    verdicts = rows.set_index(["study", "arm"])["verdict"]
    unfinished = 0
    for _, row in table.iterrows():
        both = {verdicts.get((row["study"], row[place])) for place in ("first", "second")}
        unfinished += bool(both & {"stuck", "improving"})
    limit = (
        f"In {unfinished} of them an arm was stuck or still improving when its budget ended: there the order "
        "says which arm learns sooner, not which is better in the end."
    )
    return Chapter(
        {"differences": table},
        [],
        page.paragraph(text, "verdict") + (page.paragraph(limit, "soft") if unfinished else ""),
        [("Arms compared within each study", page.table(shown, "Differences within each study"))],
    )


def _nested(turns: list[Records]) -> Chapter:
    pooled, note = pooled_records(turns), pooling_note(turns)
    agreement, comparison = agreement_table(pooled), comparison_table(pooled)
    found = {
        # How much longer an arm would need is a matter of each fold.
        "summary": summarise(pooled, agreement, pd.DataFrame(columns=["arm", "needed"])),
        "comparison": comparison,
        "detectable": detectable_table(pooled, comparison),
    }
    drawing = pooled_scatter(pooled, agreement, note)
    lead = "".join(page.paragraph(text, kind) for text, kind in verdict_sentences(pooled, found))
    lead += page.paragraph(note, "soft")
    sections = [
        (
            "Outer folds pooled",
            page.table(_readable_agreement(agreement), "Pooled scores") + _picture(drawing),
        ),
        ("Arms compared", compared(comparison)),
    ]
    tables = {"agreement": agreement, "predictions": pooled.predictions}
    tables |= {name: found[name] for name in ("comparison", "detectable")}
    return Chapter(tables, [drawing], lead, sections)


def _experiment(experiment: str, studies: Mapping[str, Records], table: pd.DataFrame) -> Chapter:
    source = published(experiment)
    covered = coverage_note(table["test_groups"], "icc")
    soft = page.paragraph(source.sentence(), "soft")
    if experiment == "table1":
        shaped = table1(table)
        drawing = Drawing(
            name="table1",
            title="The paper's Table 1",
            caption="Test ICC of the predictions averaged over seeds with its 95% interval over test scans; "
            f"open diamonds are the published values. {source.sentence()} {covered}",
            figure=table1_figure(table),
        )
        body = page.table(shaped, "Table 1") + soft + _picture(drawing)
        return Chapter({"table1": shaped}, [drawing], "", [("The paper's Table 1", body)])
    curve, comparison = training_curve(studies, table), curve_comparison(studies)
    drawing = Drawing(
        name="training_sizes",
        title="Scores over training sizes",
        caption="Test MSE and ICC of each study's arms, predictions averaged over seeds, with 95% intervals "
        "over test scans. Those of the MSE are by studentised bootstrap; with skewed labels they are too "
        f"narrow on few scans, as are those of the ICC. {source.sentence()} {covered}",
        figure=training_curve_figure(curve, source.table),
    )
    note = page.paragraph(
        "Predictions are averaged over seeds, then over the studies of a protocol, as in the paper; so is "
        "Williams' test on the ICCs, which is approximate. "
        + coverage_note(comparison["groups"], *DIFFERENCES),
        "soft",
    )
    body = (
        _picture(drawing)
        + page.table(readable_curve_comparison(comparison), "Averaged over the curve")
        + note
    )
    tables = {"training_sizes": curve, "curve_comparison": comparison}
    return Chapter(tables, [drawing], "", [(f"The paper's experiment: {experiment}", body + soft)])


def _readable_agreement(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "arm": str(row["arm"]),
                "seed": "mean over seeds" if row["seed"] == "mean" else str(row["seed"]),
                "scans": str(row["scans"]),
                "ICC [95%]": f"{fixed(row['icc'])} {interval(row['icc_low'], row['icc_high'])}".strip(),
                "MSE": number(row["mse"]),
                "bias": signed(row["bias"]),
            }
            for _, row in table.iterrows()
        ]
    )


def _picture(drawing: Drawing) -> str:
    return page.picture(drawing.image("svg"), f"{drawing.title}. {drawing.caption}", drawing.caption)


def _sources(root: Path, folders: Mapping[str, Path]) -> str:
    reports = "\n".join(f"{name}/report.html" for name in folders)
    text = "Tables and figures as CSV, SVG and PNG lie in findings/. Each study is whole in its own folder:"
    again = f"python -m analysis.series {root.resolve().name}"
    return page.paragraph(text) + page.verbatim(reports) + page.paragraph("Again:") + page.verbatim(again)


if __name__ == "__main__":
    run_script("analysis.series", write_series)
