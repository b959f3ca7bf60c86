"""The report: whole, self-contained and escaped, whichever stage a study has reached."""

import re
import warnings
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import SPACES, TEST_SCANS, write_study

from analysis import page as elements
from analysis.coverage import DIFFERENCES, coverage_sentence
from analysis.findings import drawings, tables, write_findings
from analysis.records import read_records
from analysis.report import write_findings_and_report, write_report
from analysis.verdict import verdict_sentences
from study.badinput import BadInput
from study.record import StudyDirectory, write_frame, write_json, write_text, write_yaml

VOID = {"meta", "img", "br", "hr"}
DRAWINGS, LIVE = 14, 8
"""Two a cohort, curves, trade-off, coordinates, optimism; and cost, slices, price, three arms' worst."""


class Structure(HTMLParser):
    """Checks that elements nest, and collects tags and what they refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.references: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes]
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


def test_the_report_is_one_file_that_loads_nothing(report: Path):
    html, page = read(report)
    assert all(
        ref.startswith(("data:image/svg+xml;base64,", "data:image/png;base64,", "#"))
        for ref in page.references
    )
    assert page.tags.count("img") == DRAWINGS
    assert len(re.findall(r'<img [^>]*alt="[^"]{20,}"', html)) == DRAWINGS
    live = r'class="live" data-figure="[^"]+" role="img" tabindex="0" aria-label="[^"]{20,}'
    assert len(re.findall(live, html)) == LIVE
    assert report.stat().st_size < 8e6


def test_every_figure_has_the_command_that_makes_it_again(report: Path, finished: Path):
    html, _ = read(report)
    commands = re.findall(r"Again: <code>(.*?)</code>", html)
    names = [command.removeprefix(f"python -m analysis.findings {finished.name} ") for command in commands]
    records = read_records(finished)
    assert sorted(names) == sorted(drawing.name for drawing in drawings(records, tables(records)))
    written = write_findings(finished, names[0])
    assert [path.name for path in written] == [f"{names[0]}.svg", f"{names[0]}.png"]
    with pytest.raises(BadInput, match="no table or figure `nothing`"):
        write_findings(finished, "nothing")


def test_the_policy_allows_its_own_scripts_and_style_by_their_hashes_and_nothing_else(report: Path):
    html, page = read(report)
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert len(scripts) == 3
    assert rules.pop("script-src").split() == [digest(code) for code in scripts]
    assert rules.pop("style-src").split() == [digest(code) for code in [*styles, ""]]
    assert rules.pop("img-src") == "data: blob:"
    assert set(rules) == {"default-src", "base-uri", "form-action"}
    assert set(rules.values()) == {"'none'"}
    assert "unsafe" not in policy
    assert not {"iframe", "object", "link"} & set(page.tags)
    assert not [name for name in page.attributes if name == "style" or name.startswith("on")]
    assert html.index("Content-Security-Policy") < html.index("<style>")
    assert html.count("plotly.js v") == 1


def digest(code: str) -> str:
    return f"'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'"


HOSTILE = (
    "</style></td><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "]]><svg/onload=alert(1)>--><!--",
    "javascript:alert(1) &lt;b&gt; &#60;i&#62; $x_",
)
TAGS = re.findall(
    r"\w+",
    "html head meta title style script body main header h1 h2 h3 p nav a section div table thead tbody tr "
    "th td figure img figcaption code details summary pre",
)
ATTRIBUTES = re.findall(
    r"\S+",
    "lang charset http-equiv content name href id class tabindex role aria-label scope src alt type "
    "data-figure",
)


def only_ours(html: str) -> Structure:
    structure = Structure()
    structure.feed(html)
    assert structure.open == []
    assert set(structure.tags) <= set(TAGS)
    assert set(structure.attributes) <= set(ATTRIBUTES)
    assert all(
        ref.startswith(("data:image/svg+xml;base64,", "data:image/png;base64,", "#"))
        for ref in structure.references
    )
    return structure


def test_hostile_names_reasons_and_settings_stay_text(tmp_path: Path):
    text = " ".join(HOSTILE)
    study = write_study(tmp_path / 'study <u> & "it\'s"')
    place = StudyDirectory(study)
    for path in study.glob("*.parquet"):
        frame = pd.read_parquet(path)
        for column in frame.columns.intersection(["arm", "scan", "site", "reason", "origin"]):
            frame[column] = frame[column].where(frame[column].isna(), frame[column].astype(str) + text)
        if "cohort" in frame:
            frame["cohort"] = frame["cohort"].where(frame["cohort"] == "test", text)
        write_frame(path, frame)
    settings = {"format": 1, "arms": [f"{arm}{text}" for arm in SPACES], "cohort": {"path": text}}
    write_yaml(place.settings, settings)
    write_json(place.provenance, {"unit": text, "git": text, "hosts": [{"name": text}], text: text})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = write_report(study)
    page = only_ours(report.read_text())
    assert f"base{text}" in page.text
    assert page.text.count(text) > 10


anything = st.text(st.characters(codec="utf-8")) | st.sampled_from(HOSTILE)


@given(title=anything, heading=anything, cells=st.lists(anything, min_size=1, max_size=3), label=anything)
def test_whatever_the_text_the_page_holds_only_its_own_elements(title, heading, cells, label):
    rows = pd.DataFrame([[*cells, label]], columns=[*cells, f"{len(cells)}{label}"])
    rows = rows.loc[:, ~rows.columns.duplicated()]
    body = elements.table(rows, label) + elements.paragraph(label) + elements.verbatim(heading)
    body += elements.folded(title, body) + elements.picture(b"<svg/>", label, title, "f", heading)
    lead = elements.paragraph(heading, "verdict")
    page = only_ours(elements.page(title, lead, [(heading, body)]))
    assert page.tags.count("table") == 2
    with pytest.MonkeyPatch.context() as patch:
        # The library takes longest and is the same whatever the text.
        patch.setattr(elements, "get_plotlyjs", lambda: "0;")
        tabs = [(title, [(heading, body)])]
        page = only_ours(
            elements.tabbed(title, lead, tabs, {"f": {"name": title, "text": cells}}, {label: label})
        )
    assert page.tags.count("table") == 2
    assert page.tags.count("script") == 5


def test_the_settings_show_no_password(study: Path):
    place = StudyDirectory(study)
    text = place.settings.read_text()
    write_text(place.settings, text + "search: {storage: 'postgresql://ann:hunter2@db/setsum'}\n")
    html = write_report(study).read_text()
    assert "hunter2" not in html
    assert "postgresql://ann:***@db/setsum" in html
    write_text(place.settings, text + "search: {storage: 'postgresql://ann:${PW}@db/setsum'}\n")
    assert "postgresql://ann:${PW}@db/setsum" in write_report(study).read_text()


def test_what_a_study_holds_is_shown_as_text(study: Path):
    place = StudyDirectory(study)
    predictions = pd.read_parquet(place.predictions)
    cohort = predictions["cohort"].where(predictions["cohort"] == "test", "<script>alert(1)</script>")
    write_frame(place.predictions, predictions.assign(cohort=cohort))
    html, page = read(write_report(study))
    assert page.tags.count("script") == 3 + LIVE + 1
    assert "b" not in page.tags
    assert "<b>loss is nan</b> after 12 steps" in page.text
    assert "&lt;script&gt;alert(1)" in html


def test_the_report_states_openings_verdicts_failures_and_the_limits_of_its_intervals(report: Path):
    _, page = read(report)
    for words in (
        "The test set has been opened 2 times (2026-01-05 10:30, 2026-01-07 10:30)",
        "The external cohort VALDO 2021 has been opened once",
        coverage_sentence("icc", scans=TEST_SCANS),
        coverage_sentence(*DIFFERENCES, scans=TEST_SCANS),
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
    row = {
        "first": "set_sum",
        "second": "base",
        "family": "arms",
        "scans": 40,
        "groups": 40,
        "icc_difference": difference,
        "icc_low": -0.1,
    }
    row |= {"icc_high": 0.2, "swap_p_icc_holm": p}
    summary = pd.DataFrame({"arm": ["base", "set_sum"], "verdict": ["converged", "improving"]})
    return {"comparison": pd.DataFrame([row]), "summary": summary, "detectable": pd.DataFrame()}


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


def test_a_verdict_on_several_scans_of_a_person_says_what_takes_them_together(finished: Path):
    found = compared(0.05, 0.01)
    said = [text for text, _ in verdict_sentences(read_records(finished), found)]
    assert not any("groups (persons)" in text for text in said)
    found["comparison"]["groups"] = 31
    said = [text for text, _ in verdict_sentences(read_records(finished), found)]
    assert any("The 40 test scans are of 31 groups (persons)" in text for text in said)
    assert any("In simulations" in text and "of 31 scans" in text for text in said)


def test_findings_and_report_at_once_are_those_written_one_by_one(study: Path):
    files = [*write_findings(study), write_report(study)]
    apart = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    write_findings_and_report(study)
    assert [path.read_bytes() for path in files] == apart


def test_thousands_of_trials_are_drawn_as_pixels_and_their_table_says_what_it_leaves_out(
    study: Path, monkeypatch: pytest.MonkeyPatch
):
    for module in ("coordinates", "cost", "curves", "exploration", "findings", "slices", "strength"):
        monkeypatch.setattr(f"analysis.{module}.MANY", 3)
    monkeypatch.setattr("analysis.listing.SHOWN", 2)
    records = read_records(study)
    for drawing in drawings(records, tables(records)):
        pixels = drawing.name in ("curves", "tradeoff", "cost", "slices", "coordinates")
        scans = drawing.name.startswith("worst")
        assert (b"<image" in drawing.image("svg")) == (pixels or scans), drawing.name
        assert ("as pixels" in drawing.caption) == pixels
    html, structure = read(write_report(study))
    completed = int((records.trials["status"] == "completed").sum())
    assert f"Shown: the first 2 of {completed} trials by score" in structure.text
    assert f"Shown: the first 2 of {len(records.trials) - completed} trials that did not" in structure.text
    assert html.count('aria-label="Ranked trials"') == 1
