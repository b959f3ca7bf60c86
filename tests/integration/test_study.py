"""A whole study through the command, on real NIfTI files, with real Ray."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny_study import TINY_STUDY

from study.cohort.phantom import write_phantom


def setsum(*arguments, code=0):
    command = [sys.executable, "-m", "study.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """The WMH challenge's layout with what real files bring: other data types, a 4D file, other shapes."""
    root = write_phantom(
        tmp_path_factory.mktemp("cohort") / "training", kind="wmh", scans=26, shape=12, seed=5
    )
    images = sorted(root.rglob("pre/FLAIR.nii.gz"))
    for image, change in zip(images, ("float64", "4d", "padded"), strict=False):
        _rewrite(image, change)
    return root


def _rewrite(path, change):
    for file in (path, path.parents[1] / "wmh.nii.gz"):
        image = nib.load(file)
        data = np.asarray(image.dataobj)
        if change == "float64" and file == path:
            data = data.astype(np.float64)
        if change == "4d":
            data = data[..., None]
        if change == "padded":
            data = np.pad(data, ((1, 2), (0, 3), (2, 0)))
        nib.save(nib.Nifti1Image(data, image.affine), file)


@pytest.fixture(scope="module")
def study(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "study"
    done = setsum("run", "--cohort", cohort, "--out", out, *TINY_STUDY)
    return out, done


def test_the_table_at_the_end_has_a_row_an_arm_and_the_references(study):
    _, done = study
    for word in (
        "base",
        "set_sum",
        "mean predictor",
        "threshold rule",
        "histogram ridge",
        "report.html",
        "export",
    ):
        assert word in done.stdout


def test_everything_that_happened_is_in_the_tables(study):
    out, _ = study
    trials, curves = pd.read_parquet(out / "trials.parquet"), pd.read_parquet(out / "curves.parquet")
    oof = pd.read_parquet(out / "oof.parquet")
    assert trials.groupby("arm").size().to_dict() == {"base": 3, "set_sum": 3}
    assert set(trials["status"]) == {"completed"}
    first = trials[trials["arm"] == "set_sum"].sort_values("trial")
    assert list(first["origin"][:2]) == ["default", "paper"]
    assert list(first["config.n"][:2]) == [2, 4]
    assert len(curves) == 6 * 2
    searched = oof[oof["stage"] == "search"]
    assert len(searched) == 6 * 2 * 20
    last = searched[(searched["arm"] == "base") & (searched["trial"] == 0)]
    last = last[last["presentations"] == last["presentations"].max()]
    row = curves[(curves["arm"] == "base") & (curves["trial"] == 0)].iloc[-1]
    assert ((last["prediction"] - last["label"]) ** 2).mean() == pytest.approx(row["mse"])
    assert len(pd.read_parquet(out / "confirmed.parquet")) == 2 * 2 * 2


def test_no_trial_saw_a_test_scan(study):
    out, _ = study
    split = json.loads((out / "split.json").read_text())
    oof = pd.read_parquet(out / "oof.parquet")
    assert set(oof["scan"]) == set(split["development"])
    assert not set(split["test"]) & set(split["development"])
    predictions = pd.read_parquet(out / "predictions.parquet")
    assert set(predictions["scan"]) == set(split["test"])


def test_predict_reproduces_the_test_predictions_from_the_original_files(study, cohort, tmp_path):
    out, _ = study
    expected = pd.read_parquet(out / "predictions.parquet").query("arm == 'set_sum'")
    mean = expected.groupby("scan")["prediction"].mean()
    record = json.loads((out / "cohort" / "cohort.json").read_text())
    assert set(mean.index) <= set(record["ids"])
    from study.cohort.scans import read_cohort

    files = {scan.id: scan.image for scan in read_cohort(cohort).scans if scan.id in mean.index}
    setsum("predict", out / "export" / "set_sum", *files.values(), "-o", tmp_path / "new.csv")
    found = pd.read_csv(tmp_path / "new.csv").set_index("id")["prediction"]
    assert [str(file) for file in files.values()] == list(found.index)
    difference = found.to_numpy() - mean[list(files)].to_numpy()
    assert np.abs(difference).max() < 1e-4 * expected["label"].std()


def test_an_export_loads_where_ray_is_not_installed(study, cohort, tmp_path):
    out, _ = study
    image = next(cohort.rglob("pre/FLAIR.nii.gz"))
    blocked = (
        "import sys; sys.modules['ray'] = sys.modules['optuna'] = None; "
        f"sys.argv = ['setsum', 'predict', {str(out / 'export' / 'base')!r}, {str(image)!r}, "
        f"'-o', {str(tmp_path / 'one.csv')!r}]; from study.cli import main; main()"
    )
    subprocess.run([sys.executable, "-c", blocked], check=True, cwd=Path(__file__).parents[2])
    assert len(pd.read_csv(tmp_path / "one.csv")) == 1


def test_the_dashboard_shows_every_trial_with_its_attributes_and_takes_no_orders(study):
    out, _ = study
    command = [sys.executable, "-m", "study.cli", "dashboard", out, "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as served:
        try:
            url = served.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:")
            assert "text/html" in ask(url).headers["Content-Type"]
            root = url.removesuffix("/dashboard")
            searches = json.load(ask(f"{root}/api/studies"))["study_summaries"]
            assert {search["study_name"] for search in searches} == {"base", "set_sum"}
            journal = (out / "optuna.journal").read_bytes()
            for search in searches:
                found = json.load(ask(f"{root}/api/studies/{search['study_id']}?after=0"))
                check_attributes(found["trials"], search["study_name"], out)
                own = f"{root}/api/studies/{search['study_id']}"
                for method, address in (("DELETE", own), ("POST", f"{own}/rename")):
                    with pytest.raises(HTTPError, match="405"):
                        ask(address, method=method)
            with pytest.raises(HTTPError, match="403"):
                ask(url, headers={"Host": "rebound.example"})
            assert (out / "optuna.journal").read_bytes() == journal
        finally:
            served.send_signal(signal.SIGINT)
        assert served.wait(30) == 0


def ask(url, **request):
    return urlopen(Request(url, **request), timeout=60)


def check_attributes(shown, arm, out):
    table = pd.read_parquet(out / "trials.parquet").query("arm == @arm").set_index("trial")
    assert sorted(trial["number"] for trial in shown) == sorted(table.index)
    for trial in shown:
        row = table.loc[trial["number"]]
        attributes = {entry["key"]: entry["value"] for entry in trial["user_attrs"]}
        known = {"trial": trial["number"], "arm": arm, "seed": 0, "fold count": 2}
        known |= {name: row[name] for name in ("status", "verdict", "presentations", "origin", "ray_trial")}
        assert {name: attributes[name] for name in known} == {name: str(known[name]) for name in known}
        assert len(attributes["folds"]) == 16


def test_resume_after_the_end_changes_nothing_and_does_not_open_the_test_set(study):
    out, _ = study
    before = {path: path.read_bytes() for path in (out / "predictions.parquet", out / "test_log.jsonl")}
    setsum("resume", out)
    assert {path: path.read_bytes() for path in before} == before


def test_openings_are_counted_here_and_in_every_later_table(study):
    out, _ = study
    again = setsum("test", out)
    assert len((out / "test_log.jsonl").read_text().splitlines()) == 2
    assert "opened 2 times" in again.stdout
    assert f"not up to date in exports: base, set_sum; write them again: setsum export {out}" in again.stdout
    setsum("export", out)
    assert "not up to date" not in setsum("confirm", out).stdout


def test_an_external_cohort_is_tested_the_same_way(study, tmp_path):
    out, _ = study
    other = write_phantom(tmp_path / "elsewhere", kind="wmh", scans=4, shape=12, seed=9)
    setsum("test", out, "--cohort", other)
    predictions = pd.read_parquet(out / "predictions.parquet")
    assert predictions.groupby("cohort")["scan"].nunique().to_dict() == {"test": 6, "elsewhere": 4}
    log = [json.loads(line) for line in (out / "test_log.jsonl").read_text().splitlines()]
    assert log[-1]["cohort"] == "elsewhere"


def test_an_external_cohort_may_hold_no_scan_of_the_study_and_no_other_s_name(study, cohort, tmp_path):
    out, _ = study
    before = {path: path.read_bytes() for path in (out / "predictions.parquet", out / "test_log.jsonl")}
    mixed = write_phantom(tmp_path / "mixed", kind="wmh", scans=4, shape=12, seed=9)
    site = mixed / "Utrecht"
    known = next((cohort / "Utrecht").rglob("pre/FLAIR.nii.gz")).parents[1]
    # The same voxels in another file, under another name.
    shutil.copytree(known, site / "99")
    copy = site / "99" / "pre" / "FLAIR.nii.gz"
    image = nib.load(copy)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj).astype(np.float64), image.affine), copy)
    refused = setsum("test", out, "--cohort", mixed, code=2).stderr
    assert "1 of its 5 scans are the study's own: `Utrecht-99` is there" in refused
    assert not (out / "external" / "mixed").exists()
    others = write_phantom(tmp_path / "b" / "elsewhere", kind="wmh", scans=4, shape=12, seed=10)
    assert "were called `elsewhere`" in setsum("test", out, "--cohort", others, code=2).stderr
    assert {path: path.read_bytes() for path in before} == before


def test_train_reads_an_export_and_reproduces_its_confirmed_score(study, cohort, tmp_path):
    out, _ = study
    setsum("train", out / "export/base/config.yaml", "--cohort", cohort, "--out", tmp_path / "model")
    card = json.loads((out / "export/base/card.json").read_text())
    done = setsum("train", out / "export/base/config.yaml", "--cohort", cohort, "--out", tmp_path / "model")
    scores = [
        float(line.split("MSE ")[1].split(",")[0]) for line in done.stdout.splitlines() if "MSE" in line
    ]
    assert scores == pytest.approx(card["confirmed"]["mse"], rel=1e-3)
    setsum("predict", tmp_path / "model", next(cohort.rglob("FLAIR.nii.gz")), "-o", tmp_path / "p.tsv")


def test_extending_searches_on_and_leaves_the_test_set_closed(study):
    out, _ = study
    openings = (out / "test_log.jsonl").read_text()
    done = setsum("extend", out, "--trials", 1)
    trials = pd.read_parquet(out / "trials.parquet")
    assert trials.groupby("arm").size().to_dict() == {"base": 4, "set_sum": 4}
    assert not trials.duplicated(["arm", "config"]).any()
    assert (out / "test_log.jsonl").read_text() == openings
    assert "not opened" in done.stdout


def test_a_changed_cohort_is_refused(study, cohort, tmp_path):
    out, _ = study
    image = next(cohort.rglob("pre/FLAIR.nii.gz"))
    content = image.read_bytes()
    try:
        old = nib.load(image)
        nib.save(nib.Nifti1Image(np.asarray(old.dataobj) * 2, old.affine), image)
        assert "changed since the study began" in setsum("resume", out, code=2).stderr
    finally:
        image.write_bytes(content)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "missing.yaml"], "missing.yaml"),
        (["run", "--cohort", "/nowhere"], "/nowhere"),
        (["run", "arms=[basis]"], "basis"),
        (["run", "budget.trails=3"], "budget.trails"),
        (["resume", "/nowhere"], "study.yaml"),
        (["predict", "/nowhere", "scan.nii.gz"], "config.yaml"),
        (["init", "slow"], "slow"),
        (["phantom", "/tmp", "--kind", "liver"], "liver"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, says, tmp_path):
    if arguments[0] == "run":
        arguments = [*arguments, "--out", tmp_path / "study"]
    done = setsum(*arguments, code=2)
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3


def test_a_folder_with_an_image_and_no_mask_is_named_and_refused(cohort, tmp_path):
    lonely = cohort / "Utrecht" / "no mask "
    (lonely / "pre").mkdir(parents=True)
    source = next(cohort.rglob("pre/FLAIR.nii.gz"))
    (lonely / "pre" / "FLAIR.nii.gz").write_bytes(source.read_bytes())
    try:
        done = setsum("run", "--cohort", cohort, "--out", tmp_path / "study", *TINY_STUDY, code=2)
        assert "no mask" in done.stderr
    finally:
        (lonely / "pre" / "FLAIR.nii.gz").unlink()
        (lonely / "pre").rmdir()
        lonely.rmdir()
