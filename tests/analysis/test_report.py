"""The report: whole, self-contained and escaped, whichever stage a study has reached."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from studies import write_study

from analysis.records import read_records
from analysis.report import write_report
from analysis.verdict import verdict_sentences
from study.record import StudyDirectory, write_frame

VOID = {"meta", "img", "br", "hr"}


class Structure(HTMLParser):
    """Checks that elements nest, and collects tags and what they refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def report(finished: Path) -> Path:
    return write_report(finished)


def read(path: Path) -> tuple[str, Structure]:
    structure = Structure()
    html = path.read_text()
    structure.feed(html)
    assert structure.open == []
    return html, structure


def test_the_report_is_one_file_that_loads_nothing_and_runs_nothing(report: Path):
    html, page = read(report)
    assert "script" not in page.tags
    assert all(ref.startswith(("data:image/svg+xml;base64,", "#")) for ref in page.references)
    assert "Content-Security-Policy" in html
    assert "default-src &#x27;none&#x27;" in html or "default-src 'none'" in html
    assert page.tags.count("img") == 5
    assert len(re.findall(r'<img [^>]*alt="[^"]{20,}"', html)) == 5


def test_what_a_study_holds_is_shown_as_text(study: Path):
    place = StudyDirectory(study)
    predictions = pd.read_parquet(place.predictions)
    cohort = predictions["cohort"].where(predictions["cohort"] == "test", "<script>alert(1)</script>")
    write_frame(place.predictions, predictions.assign(cohort=cohort))
    html, page = read(write_report(study))
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert "<b>loss is nan</b> after 12 steps" in page.text
    assert "&lt;script&gt;alert(1)" in html


def test_the_report_states_openings_verdicts_failures_and_the_limits_of_its_intervals(report: Path):
    _, page = read(report)
    for words in (
        "The test set has been opened 2 times (2026-01-05 10:30, 2026-01-07 10:30)",
        "The external cohort VALDO 2021 has been opened once",
        "every 95% interval of an ICC is too narrow",
        "1 of 3 seeds stuck",
        "1 diverged, 1 failed, 1 pruned: counted, not ranked",
        "as in the paper, approximate",
        "abc1234",
    ):
        assert words in page.text


def test_an_unfinished_study_has_a_report(tmp_path: Path):
    _, page = read(write_report(write_study(tmp_path, "search")))
    assert "The test set has not been opened." in page.text
    assert "not compared on test scans" in page.text
    assert "Arms compared" not in page.text


def compared(difference: float, p: float) -> dict[str, pd.DataFrame]:
    row = {"first": "set_sum", "second": "base", "scans": 40, "icc_difference": difference, "icc_low": -0.1}
    row |= {"icc_high": 0.2, "swap_p_icc_holm": p}
    summary = pd.DataFrame({"arm": ["base", "set_sum"], "verdict": ["converged", "improving"]})
    return {"comparison": pd.DataFrame([row]), "summary": summary}


@pytest.mark.parametrize(
    ("difference", "p", "words"),
    [
        (0.05, 0.01, "set_sum beats base"),
        (-0.05, 0.0001, "set_sum is worse than base"),
        (0.05, 0.2, "No arm can be told"),
    ],
)
def test_the_verdict_follows_the_test_and_unfinished_arms_are_named(finished: Path, difference, p, words):
    answer, *limits = [text for text, _ in verdict_sentences(read_records(finished), compared(difference, p))]
    assert words in answer
    assert any("set_sum was still improving" in text for text in limits)
