"""The map over phantom cohorts: cohorts are the units, and a cell's interval is Student's."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.paying import paying_sentence, paying_table, read_cells, write_map
from study.badinput import BadInput
from study.record import write_json

GAPS = {(12, 0.0): [0.2, 0.3, 0.25, 0.22, 0.28], (12, 1.0): [-0.5, 0.5, 0.1, -0.2, 0.2]}


def write_cells(root: Path) -> Path:
    """Two cells at two lengths of which set_sum gains by GAPS in the shorter and loses 0.4 in the longer."""
    rng = np.random.default_rng(0)
    for (scans, noise), gaps in GAPS.items():
        for cohort, gap in enumerate(gaps):
            base = float(rng.uniform(0.4, 0.6))
            for arm, values in {
                "base": (base, base),
                "set_sum": (base + gap, base - 0.4 - 0.01 * cohort),
            }.items():
                place = {"arm": arm, "scans": scans, "rater_noise": noise, "cohort": cohort}
                rows = [
                    place | {"presentations": 100 * (i + 1), "icc": v, "mse": 0.5}
                    for i, v in enumerate(values)
                ]
                write_json(
                    root / "cells" / f"{scans}-{noise:g}-{cohort}-{arm}.json", {"format": 1, "rows": rows}
                )
    return root


def test_a_cell_is_the_paired_difference_over_cohorts(tmp_path: Path) -> None:
    table = paying_table(read_cells(write_cells(tmp_path)))
    found = table.set_index(["scans", "rater_noise", "presentations"])
    for cell, gaps in GAPS.items():
        row = found.loc[(*cell, 100)]
        expected = stats.ttest_1samp(gaps, 0).confidence_interval(0.95)
        assert row["difference"] == pytest.approx(np.mean(gaps))
        assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
        assert row["cohorts"] == 5
        assert (row["mse_difference"], row["mse_base"]) == (0, 0.5)
    assert found.loc[(12, 0.0, 100), "pays"] == "yes"
    assert found.loc[(12, 1.0, 100), "pays"] == "undecided"
    assert (table.loc[table["presentations"] == 200, "pays"] == "no").all()
    assert "Of 4 cells, set_sum was better than base in 1, worse in 2 and undecided in 1" in paying_sentence(
        table
    )


def test_a_cohort_that_diverged_is_not_counted(tmp_path: Path) -> None:
    cells = read_cells(write_cells(tmp_path))
    lost = (cells["cohort"] == 0) & (cells["arm"] == "base") & (cells["presentations"] == 100)
    table = paying_table(cells.assign(icc=cells["icc"].where(~lost)))
    assert table.set_index("presentations")["cohorts"].to_dict() == {100: 4, 200: 5}
    assert isinstance(table, pd.DataFrame)


def test_findings_and_page_are_written(tmp_path: Path) -> None:
    names = {path.name for path in write_map(write_cells(tmp_path))}
    assert names == {
        "map.csv",
        "trainings.csv",
        "map_set_sum.svg",
        "map_set_sum.png",
        "report.html",
        "captions.md",
    }
    assert "Phantoms are not brains" in (tmp_path / "report.html").read_text()


def test_a_map_without_results_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no training has ended"):
        read_cells(tmp_path)
