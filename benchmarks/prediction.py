"""Predicting scans through their fixed views, against the convolutions' forward pass times views."""

from collections.abc import Callable

import numpy as np
import torch

from benchmarks.bound import all_operators, convolutions
from benchmarks.elsewhere import Elsewhere, in_turn
from benchmarks.measure import Row, compared, publish
from benchmarks.step import OPERATORS, cohort
from study.regression.allocator import keep_freed_memory
from study.regression.config import TrialConfig
from study.regression.precision import fastest_precision
from study.regression.prediction import build_predictor, draw_views, predict

SCANS, VIEWS = 12, 4
ROUNDS = {16: 30, 32: 12, 64: 4}
THREADS = 2
TARGET = "<= 1.3"


def own_prediction(side: int, precision: str) -> Callable[[], np.ndarray]:
    """Validation and test predict like this."""
    config = TrialConfig.model_validate({"views": VIEWS, "precision": precision})
    predictor, views = build_predictor(config), draw_views(config, 0)
    images, _ = cohort(side, SCANS)
    return lambda: predict(predictor, images, views, config=config)


def forward_bound(side: int, precision: str, with_others: bool) -> Callable[[], None]:
    """The convolutions of all scans and views, four scans at a time; nothing else, or all else as well."""
    keep_freed_memory()
    operators = all_operators if with_others else convolutions
    pass_ = operators(side, 4, getattr(torch, precision), backward=False)

    def run() -> None:
        with torch.inference_mode():
            for _ in range(SCANS * VIEWS // 4):
                pass_()

    return run


def measure() -> None:
    """Print and store the table."""
    rows: list[Row] = []
    for side, rounds in ROUNDS.items():
        precision = fastest_precision((side,) * 3, 4)
        candidates = {
            "ours": Elsewhere(own_prediction, side, precision, threads=THREADS),
            "bound": Elsewhere(forward_bound, side, precision, False, threads=THREADS),
            OPERATORS: Elsewhere(forward_bound, side, precision, True, threads=THREADS),
        }
        seconds = in_turn(candidates, rounds)
        what = f"{SCANS} scans of {side}^3, {VIEWS} views, {precision}"
        rows.append(compared(what, seconds["ours"], "forward bound", seconds["bound"], target=TARGET))
        rows.append(compared(what, seconds["ours"], OPERATORS, seconds[OPERATORS]))
    publish("prediction", "Prediction over views, 2 threads", rows)
