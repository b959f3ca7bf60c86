"""A pseudonymised report holds no id, in whatever corner of a study it stood; the key alone knows."""

import csv
import re
import stat
from base64 import b64decode
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import write_study

from analysis.pseudonyms import _renamer, pseudonyms
from analysis.records import read_records
from analysis.report import write_report
from study.badinput import BadInput
from study.record import StudyDirectory, append_line, write_frame, write_json, write_yaml


def bytes_shown(report: Path) -> str:
    """All of the page, the drawings inlined in it decoded."""
    html = report.read_text()
    drawings = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", html)
    assert drawings
    return html + "".join(b64decode(drawing).decode() for drawing in drawings)


def study_full_of_ids(root: Path) -> tuple[Path, list[str]]:
    """A study whose ids stand everywhere that text can stand."""
    study = write_study(root / "study of dev003")
    place = StudyDirectory(study)
    frames = {path: pd.read_parquet(path) for path in study.glob("*.parquet")}
    scans = {scan for frame in frames.values() if "scan" in frame for scan in frame["scan"]}
    one = "test <i>007"
    trials = frames[place.trials]
    trials["reason"] = f"cannot read /data/{one}/flair.nii.gz, nor DEV004 or {'dev005' * 2}"
    write_frame(place.trials, trials)
    predictions = frames[place.predictions]
    predictions["cohort"] = predictions["cohort"].replace("VALDO 2021", "folder of dev006")
    write_frame(place.predictions, predictions)
    append_line(place.test_log, {"time": "2026-02-01T10:30:00+00:00", "cohort": "folder of dev006"})
    write_yaml(
        place.settings, {"format": 1, "seed": 7, "cohort": {"path": f"/data/dev007/{one}"}, "dev008": [one]}
    )
    write_json(place.provenance, {"unit": "voxels", "hosts": [{"name": "dev009", one: "dev010.local"}]})
    write_json(place.split, {"format": 1, "development": sorted(scans), "test": ["unopened-77"]})
    write_frame(place.confirmed, frames[place.confirmed].assign(host="unopened-77"))
    return study, [*scans, "unopened-77"]


def test_no_id_is_left_anywhere_and_the_numbers_stay(tmp_path: Path):
    study, scans = study_full_of_ids(tmp_path)
    plain = bytes_shown(write_report(study)).lower()
    assert "dev003" in plain
    assert "test &lt;i&gt;007" in plain
    shown = bytes_shown(write_report(study, pseudonymise=True)).lower()
    found = [scan for scan in scans for form in forms(scan) if form in shown]
    assert found == []
    assert len(set(re.findall(r"\bscan \d+", shown))) > 40
    key = study / "pseudonyms.csv"
    before = key.read_bytes()
    assert bytes_shown(write_report(study, pseudonymise=True)).lower() == shown
    assert key.read_bytes() == before


def forms(scan: str) -> set[str]:
    """How an id may stand in HTML, JSON and plotly's text."""
    escaped = scan.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    in_json = scan.replace("<", "\\u003c").replace(">", "\\u003e")
    both = escaped.replace("&", "\\u0026")
    return {form.lower() for form in (scan, escaped, in_json, both)}


def test_the_figures_of_a_pseudonymised_report_are_those_of_the_plain_one(study: Path):
    tables = [
        re.findall(
            r"<td[^>]*>([-+\d.]+(?: \[[^\]]*\])?)</td>", write_report(study, pseudonymise=on).read_text()
        )
        for on in (False, True)
    ]
    assert len(tables[0]) > 100
    # The last tables list scans, in another order.
    assert sorted(tables[0]) == sorted(tables[1])


def test_the_key_is_the_owners_alone_tells_all_and_lasts(study: Path):
    first = pseudonyms(read_records(study))
    key = study / "pseudonyms.csv"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with key.open(newline="") as stream:
        known = {row["scan"]: f"scan {row['number']}" for row in csv.DictReader(stream)}
    assert known == first.numbers
    assert len(set(known.values())) == len(known)
    predictions = pd.read_parquet(study / "predictions.parquet")
    later = predictions.assign(scan=predictions["scan"].replace("other003", "newcomer"))
    write_frame(study / "predictions.parquet", later)
    again = pseudonyms(read_records(study))
    assert {scan: again.numbers[scan] for scan in known} == known
    assert int(again.numbers["newcomer"].removeprefix("scan ")) == len(known) + 1


def test_numbers_do_not_follow_the_order_of_ids(tmp_path: Path):
    orders = set()
    for name in "abc":
        numbers = pseudonyms(read_records(write_study(tmp_path / name))).numbers
        orders.add(tuple(numbers[scan] for scan in sorted(numbers)))
    assert len(orders) == 3


@pytest.mark.parametrize(
    "text", ["", "scan,number\na,1,2\n", "scan,number\na,one\n", "scan,number\na,1\nb,1\n", "a,1\n"]
)
def test_a_damaged_key_is_refused_and_kept(study: Path, text: str):
    (study / "pseudonyms.csv").write_text(text)
    with pytest.raises(BadInput, match=r"pseudonyms\.csv"):
        write_report(study, pseudonymise=True)
    assert (study / "pseudonyms.csv").read_text() == text


ids = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=3, max_size=8)


@given(
    scans=st.sets(ids, min_size=1, max_size=5),
    before=st.sampled_from(["", "/data/", "sub-", "("]),
    after=st.sampled_from(["", "/x.nii", ") ", "."]),
)
def test_an_id_is_found_beside_any_punctuation(scans, before, after):
    numbers = {scan: f"<{place}>" for place, scan in enumerate(sorted(scans))}
    rename = _renamer(numbers)
    longest = max(scans, key=len)
    assert longest.casefold() not in rename(f"{before}{longest}{after}").casefold()


def test_words_and_numbers_that_merely_hold_an_id_stay():
    rename = _renamer({"100": "scan 1", "ann": "scan 2", "a1b": "scan 3", "7": "scan 4"})
    assert rename("1000 presentations, annual, 7 of 70") == "1000 presentations, annual, 7 of 70"
    assert rename("run 100 of Ann: xa1bx") == "run scan 1 of scan 2: xscan 3x"
