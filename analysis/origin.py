"""The report's last tab: where its figures come from, and how to make them again."""

import json
import shlex
from typing import Any

import pandas as pd
import yaml

from analysis import page
from analysis.page import Section
from analysis.records import Records
from analysis.words import NOTHING
from study.password import mask


def again(study: str, name: str = "") -> str:
    """The command that makes the findings again, or the one of that name."""
    return f"python -m analysis.findings {shlex.quote(study)}" + (f" {shlex.quote(name)}" if name else "")


def origin(records: Records, study: str, report: str) -> list[Section]:
    """Sections on reproduction, openings of the test set, provenance and settings.

    Args:
        records: Of the study.
        study: The name of its folder.
        report: The command that wrote the report.
    """
    text = (
        "From the folder that holds the study. Each figure's own command stands beneath it. Tables and "
        "figures lie in findings/ as CSV, SVG and PNG; the live figures of this page show what those hold."
    )
    provenance = json.dumps(records.provenance, indent=2, ensure_ascii=False)
    settings = mask(yaml.safe_dump(records.settings, sort_keys=False, allow_unicode=True))
    return [
        ("Made again by", page.paragraph(text) + page.verbatim(f"{again(study)}\n{report}")),
        ("Openings of test scans", _openings(records.openings)),
        ("Provenance", page.verbatim(provenance) if records.provenance else ""),
        ("Settings", page.verbatim(settings) if records.settings else ""),
    ]


def _openings(lines: list[dict[str, Any]]) -> str:
    if not lines:
        return page.paragraph("The test set has not been opened.")
    shown = pd.DataFrame(
        {
            "time (UTC)": [str(line.get("time", NOTHING))[:19].replace("T", " ") for line in lines],
            "cohort": [str(line.get("cohort", NOTHING)) for line in lines],
            "scans": [str(line.get("scans", NOTHING)) for line in lines],
            "arms": [", ".join(map(str, line.get("arms", []))) or NOTHING for line in lines],
            "trials searched by then": [str(line.get("trials", NOTHING)) for line in lines],
        }
    )
    return page.table(shown, "Every opening of test scans")
