"""A small synthetic study directory, made of tables only: nothing is trained."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from study.record import StudyDirectory, append_line, write_frame, write_json, write_yaml
from study.regression.config import TrialConfig

M, SCANS, TEST_SCANS, SEEDS = 24, 36, 40, 3
SPACES = {
    "base": ["learning_rate"],
    "dropout": ["dropout", "learning_rate"],
    "set_sum": ["n", "p", "replacement", "learning_rate"],
}


def configuration(arm: str, trial: int) -> TrialConfig:
    fields: dict[str, object] = {"learning_rate": [1e-3, 3e-4, 2e-3, 1e-3, 5e-4, 3e-3][trial % 6]}
    if arm == "dropout":
        fields["dropout"] = [0.3, 0.1, 0.5, 0.2, 0.4, 0.05][trial % 6]
    if arm == "set_sum":
        fields |= {"n": [4, 2, 8, 3, 24, 2][trial % 6], "p": [0.1, 0.0, 0.2, 0.3, 0.0, 0.5][trial % 6]}
        fields["replacement"] = trial % 6 == 2
    return TrialConfig(**fields)


def described(arm: str, trial: int) -> dict[str, object]:
    config = configuration(arm, trial)
    return {
        "arm": arm,
        "trial": trial,
        "expected_set_size": config.expected_set_size,
        "mean_error_weight": config.mean_error_weight(M),
        "distinct_sets": float(config.distinct_sets(M)),
        "config": config.model_dump_json(),
        **{f"config.{field}": value for field, value in config.model_dump().items()},
    }


def trial_rows(rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for arm in SPACES:
        for trial in range(6):
            status = "completed"
            if trial == 5:
                status = {"base": "diverged", "dropout": "pruned", "set_sum": "failed"}[arm]
            score = float(rng.uniform(20, 70)) + (400 if trial == 2 else 0)
            scored = status in ("completed", "pruned")
            rows.append(
                described(arm, trial)
                | {
                    "status": status,
                    "origin": ["paper", "default", "sampled"][min(trial, 2)],
                    "score": score if scored else np.nan,
                    "mse": score if scored else np.nan,
                    "mae": score**0.5 if scored else np.nan,
                    "icc": 1 - score / 450 if scored else np.nan,
                    "length": 3200 if scored else -1,
                    "presentations": 4000 if scored else 400,
                    "steps": 1000,
                    "seconds": 12.5,
                    "peak_memory_mb": 800.0,
                    "verdict": ["converged", "improving", "stuck"][trial % 3]
                    if status == "completed"
                    else None,
                    "shift": 0.1,
                    "train_mse": 0.6 * score if status == "completed" else np.nan,
                    "train_mae": 0.6 * score**0.5 if status == "completed" else np.nan,
                    "reason": "<b>loss is nan</b> after 12 steps"
                    if status in ("failed", "diverged")
                    else None,
                    "training_scans": M,
                    "varied": json.dumps(SPACES[arm]),
                }
            )
    return pd.DataFrame(rows)


def curve_rows(trials: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for _, trial in trials.iterrows():
        last = trial["score"] if np.isfinite(trial["score"]) else 900.0
        for report in range(10 if trial["status"] == "completed" else 4):
            mse = last + (430 - last) * np.exp(-0.7 * report)
            row = {
                "arm": trial["arm"],
                "trial": trial["trial"],
                "report": report,
                "mse": mse,
                "smoothed": mse,
            }
            row |= {"presentations": 400 * (report + 1), "steps": 100 * (report + 1), "mae": mse**0.5}
            rows.append(row | {"icc": 0.5, "train_loss": 0.1, "seconds": 1.0})
    return pd.DataFrame(rows)


def searched_rows(rng: np.random.Generator, curves: pd.DataFrame, scans: pd.DataFrame) -> pd.DataFrame:
    """Out-of-fold predictions of every report, their squared errors as large as the curve says."""
    frames = []
    for _, row in curves.iterrows():
        gap = rng.normal(0, 1, len(scans))
        gap *= np.sqrt(row["mse"] / np.mean(gap**2))
        key = {"stage": "search", "arm": row["arm"], "trial": row["trial"], "seed": 0, "repeat": 0}
        frames.append(
            scans[["scan", "label"]].assign(
                **key, presentations=row["presentations"], prediction=scans["label"] + gap
            )
        )
    return pd.concat(frames)


def labelled(rng: np.random.Generator, scans: int, prefix: str) -> pd.DataFrame:
    label = rng.lognormal(3, 0.6, scans).round()
    site = np.where(np.arange(scans) % 2, "Utrecht", "Singapore")
    return pd.DataFrame({"scan": [f"{prefix}{i:03d}" for i in range(scans)], "label": label, "site": site})


def confirm_rows(
    rng: np.random.Generator, trials: pd.DataFrame, scans: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    confirmed, oof = [], []
    for arm in SPACES:
        done = trials[(trials["arm"] == arm) & (trials["status"] == "completed")].nsmallest(2, "score")
        for trial in done["trial"]:
            for seed in range(SEEDS):
                prediction = scans["label"] + rng.normal(0, 6, len(scans))
                mse = float(((prediction - scans["label"]) ** 2).mean())
                scores = {"seed": seed, "length": 3200, "score": mse, "mse": mse, "mae": mse**0.5, "icc": 0.9}
                verdict = {"verdict": "stuck" if seed == 2 and arm == "set_sum" else "converged"}
                confirmed.append(described(arm, trial) | scores | verdict | {"seconds": 9.0})
                rows = scans[["scan", "label"]].assign(
                    stage="confirm", arm=arm, trial=trial, seed=seed, repeat=0, presentations=3200
                )
                oof.append(rows.assign(prediction=prediction))
    return pd.DataFrame(confirmed), pd.concat(oof)


def test_rows(rng: np.random.Generator, winners: dict[str, int], cohort: str, scans: int) -> pd.DataFrame:
    cases = labelled(rng, scans, "test <i>" if cohort == "test" else "other").assign(cohort=cohort)
    cases["truth"] = cases["label"] + rng.normal(0, 1, scans)
    rows = []
    for arm, trial in winners.items():
        shared = rng.normal(0, 5, scans)
        for seed in range(SEEDS):
            prediction = cases["label"] + shared + rng.normal(0, 4, scans)
            seen = {"prediction": prediction, "as_is": prediction + 2}
            rows.append(cases.assign(arm=arm, trial=trial, seed=seed, **seen))
    rows.append(cases.assign(arm="mean predictor", trial=-1, seed=0, prediction=24.3))
    rule = 0.5 * cases["label"] + 12 + rng.normal(0, 8, scans)
    rows.append(cases.assign(arm="threshold rule", trial=-1, seed=0, prediction=rule))
    return pd.concat(rows, ignore_index=True)


def worst_rows(rng: np.random.Generator, winners: dict[str, int], tests: pd.DataFrame) -> pd.DataFrame:
    """Slices of noise for the three worst scans of each arm."""
    rows = []
    for arm, trial in winners.items():
        mean = tests[tests["arm"] == arm].groupby("scan")[["label", "prediction"]].mean()
        worst = (mean["prediction"] - mean["label"]).abs().nlargest(3).index
        for rank, scan in enumerate(worst, start=1):
            case = {
                "cohort": "test",
                "arm": arm,
                "trial": trial,
                "scan": scan,
                "rank": rank,
                **mean.loc[scan],
            }
            for plane in ("sagittal", "coronal", "axial"):
                size = {"place": 4, "width": 9, "height": 8, "width_mm": 1.0, "height_mm": 2.0}
                pixels = {name: rng.normal(0, 1, (8, 9)).astype("<f4").tobytes() for name in ("image", "map")}
                rows.append(case | {"plane": plane} | size | pixels)
    return pd.DataFrame(rows)


def write_study(root: Path, upto: str = "test", seed: int = 0) -> Path:
    """A study that has been searched, `confirm`ed or `test`ed."""
    rng = np.random.default_rng(seed)
    place = StudyDirectory(root)
    trials, scans = trial_rows(rng), labelled(rng, SCANS, "dev")
    curves = curve_rows(trials)
    searched = searched_rows(np.random.default_rng(seed + 1), curves, scans)
    confirmed, oof = confirm_rows(rng, trials, scans)
    write_yaml(place.settings, {"format": 1, "seed": 7, "arms": list(SPACES), "budget": {"trials": 6}})
    write_json(place.provenance, {"revision": "abc1234", "unit": "voxels", "versions": {"numpy": "2"}})
    write_frame(place.trials, trials)
    write_frame(place.curves, curves)
    write_frame(place.oof, searched if upto == "search" else pd.concat([searched, oof]))
    if upto != "search":
        write_frame(place.confirmed, confirmed)
    if upto == "test":
        means = confirmed.groupby(["arm", "trial"])["score"].mean()
        winners = {arm: int(means[arm].idxmin()) for arm in SPACES}
        tests = [test_rows(rng, winners, "test", TEST_SCANS), test_rows(rng, winners, "VALDO 2021", 12)]
        write_frame(place.predictions, pd.concat(tests, ignore_index=True))
        write_frame(place.worst, worst_rows(rng, winners, tests[0]))
        for time, cohort in [("05", "test"), ("06", "VALDO 2021"), ("07", "test")]:
            append_line(place.test_log, {"time": f"2026-01-{time}T10:30:00+00:00", "cohort": cohort})
    return root


def compared_study(root: Path, noise: dict[str, float], scans: int = 60, seed: int = 0) -> Path:
    """A tested study of arms whose test errors have these SDs (label units) beside one they share.

    A negative SD makes an arm with the errors of the arm before it, but for a hundredth of that SD.
    """
    write_study(root, seed=seed)
    place, rng = StudyDirectory(root), np.random.default_rng(seed)
    cases = labelled(rng, scans, "test").assign(cohort="test", truth=np.nan, site="one")
    shared = rng.normal(0, 2, scans)
    rows, trials, copied = [], [], None
    for arm, spread in noise.items():
        error = rng.normal(0, abs(spread), scans)
        if spread < 0 and copied is not None:
            error = copied + 0.01 * error
        copied = error if copied is None or spread > 0 else copied
        mine = cases.assign(arm=arm, trial=0, seed=0, prediction=cases["label"] + shared + error)
        rows += [mine, mine.assign(seed=1)]
        trials.append(described("base", 0) | {"arm": arm, "status": "completed", "score": spread**2})
    rows.append(cases.assign(arm="mean predictor", trial=-1, seed=0, prediction=24.3))
    rule = 0.5 * cases["label"] + 12 + rng.normal(0, 8, scans)
    rows.append(cases.assign(arm="threshold rule", trial=-1, seed=0, prediction=rule))
    write_frame(place.predictions, pd.concat(rows, ignore_index=True))
    template = pd.read_parquet(place.trials).iloc[[0]]
    made = pd.concat([template.assign(**{k: v for k, v in row.items() if k in template}) for row in trials])
    write_frame(place.trials, made.reset_index(drop=True))
    place.confirmed.unlink()
    return root
