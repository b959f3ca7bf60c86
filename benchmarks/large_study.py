"""A study directory of many trials, made of the tables that the stages write: nothing is trained."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from study.record import StudyDirectory, append_line, write_frame, write_json, write_yaml
from study.regression.config import TrialConfig
from study.settings import StudySettings

ARMS = ("base", "dropout", "mixup", "set_sum", "set_sum_dropout")
VARIED = {
    "base": ["learning_rate"],
    "dropout": ["dropout", "learning_rate"],
    "mixup": ["mixup_alpha", "learning_rate"],
    "set_sum": ["n", "p", "replacement", "learning_rate", "scans_per_step"],
    "set_sum_dropout": ["n", "p", "dropout", "replacement", "learning_rate"],
}
REPORTS, PRESENTATIONS = 10, 4000
TRAINING_SCANS = 40
TOP, SEEDS = 10, 5
STATUSES = ("completed", "pruned", "diverged", "failed")
SHARES = (0.94, 0.03, 0.02, 0.01)
REASONS = {"diverged": "the loss is nan after 120 steps", "failed": "RuntimeError: out of memory"}


def write_large_study(root: Path, trials: int, scans: int = 60, seed: int = 0) -> Path:
    """A searched, confirmed and tested study.

    Args:
        root: A new folder.
        trials: Of all arms together.
        scans: Development scans; there are as many test scans.
        seed: Of everything random.
    """
    rng, place = np.random.default_rng(seed), StudyDirectory(root)
    label_M = rng.lognormal(3, 0.6, scans).round()
    table = pd.concat([_arm(rng, arm, trials // len(ARMS)) for arm in ARMS], ignore_index=True)
    curves = _curves(rng, table)
    confirmed = _confirmed(rng, table)
    write_yaml(place.settings, StudySettings(arms=ARMS).model_dump(mode="json"))
    write_json(place.provenance, {"format": 1, "unit": "voxels", "seed": seed})
    write_frame(place.trials, table)
    write_frame(place.curves, curves)
    write_frame(
        place.oof, pd.concat([*_oof_search(rng, curves, label_M), _oof_confirm(rng, confirmed, label_M)])
    )
    write_frame(place.confirmed, confirmed)
    write_frame(place.predictions, _predictions(rng, confirmed, scans))
    append_line(place.test_log, {"time": "2026-01-05T10:30:00+00:00", "cohort": "test"})
    return root


def _arm(rng: np.random.Generator, arm: str, trials: int) -> pd.DataFrame:
    rows = [_trial(rng, arm, number) for number in range(trials)]
    return pd.DataFrame(rows)


def _trial(rng: np.random.Generator, arm: str, number: int) -> dict[str, object]:
    drawn = {
        "n": int(rng.choice([2, 3, 4, 6, 8])),
        "p": float(rng.uniform(0, 0.5)),
        "replacement": bool(rng.integers(2)),
        "dropout": float(rng.uniform(0, 0.5)),
        "mixup_alpha": float(rng.uniform(0.1, 1)),
        "learning_rate": float(np.exp(rng.uniform(np.log(5e-4), np.log(5e-3)))),
        "scans_per_step": int(rng.choice([4, 8])),
    }
    objective = "mixup" if arm == "mixup" else "set_sum"
    config = TrialConfig(**{field: drawn[field] for field in VARIED[arm]}, objective=objective)
    status = str(rng.choice(STATUSES, p=SHARES))
    scored = status in ("completed", "pruned")
    score = float(rng.lognormal(4.5, 0.5)) if scored else np.nan
    return {
        "arm": arm,
        "trial": number,
        "status": status,
        "origin": ("default", "paper", "sampled")[min(number, 2)],
        "score": score,
        "mse": score,
        "mae": score**0.5,
        "icc": 1 - score / 450,
        "length": 3200 if scored else 0,
        "presentations": PRESENTATIONS if status == "completed" else PRESENTATIONS // 4,
        "steps": 1000,
        "seconds": float(rng.uniform(9, 15)),
        "peak_memory_mb": 420.0,
        "verdict": str(rng.choice(["converged", "improving", "stuck"])) if scored else "",
        "shift": float(rng.normal(0, 0.05)),
        "reason": REASONS.get(status, ""),
        "expected_set_size": config.expected_set_size,
        "mean_error_weight": config.mean_error_weight(TRAINING_SCANS),
        "distinct_sets": float(config.distinct_sets(TRAINING_SCANS)),
        "training_scans": TRAINING_SCANS,
        "config": config.model_dump_json(),
        "varied": json.dumps(VARIED[arm]),
        "ray_trial": f"{rng.integers(2**32):08x}",
        "host": "node-1",
        **{f"config.{field}": value for field, value in config.model_dump().items()},
    }


def _curves(rng: np.random.Generator, trials: pd.DataFrame) -> pd.DataFrame:
    reports = np.where(trials["status"] == "completed", REPORTS, REPORTS // 4)
    rows = trials.loc[np.repeat(trials.index, reports), ["arm", "trial", "score", "status"]].reset_index(
        drop=True
    )
    report = np.concatenate([np.arange(1, count + 1) for count in reports])
    last = rows.pop("score").fillna(900.0).to_numpy()
    mse = (last + (430 - last) * np.exp(-0.5 * report)) * rng.lognormal(0, 0.05, len(rows))
    step = PRESENTATIONS // REPORTS
    return rows.drop(columns="status").assign(
        report=report,
        presentations=step * report,
        steps=step // 4 * report,
        mse=mse,
        mae=np.sqrt(mse),
        icc=1 - mse / 450,
        smoothed=mse,
        train_loss=mse / 450,
        seconds=1.2 * report,
    )


def _oof(rows: pd.DataFrame, stage: str, label_M: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Predictions of every scan for each of `rows` (arm, trial, seed, presentations)."""
    scans = len(label_M)
    label = np.tile(label_M, len(rows))
    wide = rows.loc[rows.index.repeat(scans)].reset_index(drop=True)
    wide.insert(0, "stage", stage)
    return wide.assign(
        repeat=0,
        scan=np.tile([f"dev-{scan:03d}" for scan in range(scans)], len(rows)),
        prediction=label + rng.normal(0, 8, len(label)),
        label=label,
    )[["stage", "arm", "trial", "seed", "repeat", "scan", "presentations", "prediction", "label"]]


def _oof_search(
    rng: np.random.Generator, curves: pd.DataFrame, label_M: np.ndarray
) -> Iterator[pd.DataFrame]:
    rows = curves[["arm", "trial", "presentations"]].assign(seed=0)
    for _, arm in rows.groupby("arm", sort=False):
        yield _oof(arm, "search", label_M, rng)


def _oof_confirm(rng: np.random.Generator, confirmed: pd.DataFrame, label_M: np.ndarray) -> pd.DataFrame:
    rows = confirmed[["arm", "trial", "seed"]].assign(presentations=confirmed["length"])
    return _oof(rows, "confirm", label_M, rng)


def _confirmed(rng: np.random.Generator, trials: pd.DataFrame) -> pd.DataFrame:
    """Each arm's best, so many seeds each."""
    done = trials[trials["status"] == "completed"]
    best = done.sort_values("score").groupby("arm", sort=False).head(TOP)
    rows = best.loc[best.index.repeat(SEEDS)].drop(columns=["shift", "varied", "ray_trial", "host", "origin"])
    score = rows["score"] * rng.lognormal(0.1, 0.1, len(rows))
    seeds = np.tile(np.arange(SEEDS), len(best))
    return rows.assign(seed=seeds, score=score, mse=score, mae=score**0.5).reset_index(drop=True)


def _predictions(rng: np.random.Generator, confirmed: pd.DataFrame, scans: int) -> pd.DataFrame:
    """Test predictions of each arm's winner and of a reference."""
    label = rng.lognormal(3, 0.6, scans).round()
    cases = pd.DataFrame(
        {"cohort": "test", "scan": [f"test-{scan:03d}" for scan in range(scans)], "site": ""}
    )
    cases = cases.assign(label=label, truth=np.nan)
    means = confirmed.groupby(["arm", "trial"])["score"].mean()
    frames = [cases.assign(arm="mean predictor", trial=-1, seed=0, prediction=label.mean())]
    for arm in ARMS:
        for seed in range(SEEDS):
            prediction = label + rng.normal(0, 9, scans)
            frames.append(
                cases.assign(arm=arm, trial=int(means[arm].idxmin()), seed=seed, prediction=prediction)
            )
    return pd.concat(frames, ignore_index=True)
