"""What a training's curve says: how long to train, what it scored, and whether it was still learning."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from study.agreement import icc

Verdict = Literal["stuck", "improving", "converged"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A curve judged: the report it is best at, the scores there, and the verdict."""

    index: int
    length: int
    score: float
    mse: float
    mae: float
    icc: float
    verdict: Verdict
    smoothed_T: NDArray[np.float64]


def judge(
    oof_TRM: NDArray[np.float64],
    presentations_T: NDArray[np.int64],
    labels_M: NDArray[np.float64],
    loss: Literal["mse", "mae"],
) -> Outcome:
    """Judge a curve of pooled out-of-fold predictions.

    The length is where the pooled error, smoothed over three reports, is lowest: one for all
    folds. `score` is the pooled, unsmoothed error there. Stuck: there the network does not beat
    predicting the mean label by more than a standard error, paired by scan. Improving: the last
    quarter of the budget lowered the error by more than a standard error, paired by scan.

    Args:
        oof_TRM: (T reports, R repeats, M scans) predictions, label units; NaN for a scan that no fold
            holds out, which is passed over.
        presentations_T: (T,) presentations at each report, increasing.
        labels_M: (M,) label units.
        loss: Error that scores: squared or absolute.
    """
    seen = ~np.isnan(oof_TRM[0, 0])
    oof_TRM, labels_M = oof_TRM[:, :, seen], labels_M[seen]
    errors_TRM = oof_TRM - labels_M
    size_TM = (errors_TRM**2 if loss == "mse" else np.abs(errors_TRM)).mean(axis=1)
    smooth_TM = _over_three(size_TM)
    smoothed_T = smooth_TM.mean(axis=1)
    index = int(np.argmin(smoothed_T))
    at = errors_TRM[index]
    return Outcome(
        index=index,
        length=int(presentations_T[index]),
        score=float(size_TM[index].mean()),
        mse=float(np.mean(at**2)),
        mae=float(np.mean(np.abs(at))),
        icc=float(np.mean(icc(oof_TRM[index], np.broadcast_to(labels_M, at.shape)))),
        verdict=_verdict(smooth_TM, index, presentations_T, labels_M, loss),
        smoothed_T=smoothed_T,
    )


def _over_three(values_TM: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean with the neighbours on either side; the ends have one."""
    last = len(values_TM)
    return np.stack([values_TM[max(0, t - 1) : min(last, t + 2)].mean(axis=0) for t in range(last)])


def _verdict(
    smooth_TM: NDArray[np.float64],
    index: int,
    presentations_T: NDArray[np.int64],
    labels_M: NDArray[np.float64],
    loss: Literal["mse", "mae"],
) -> Verdict:
    from_mean_M = labels_M - labels_M.mean()
    of_mean_M = from_mean_M**2 if loss == "mse" else np.abs(from_mean_M)
    if not _beyond_error(of_mean_M - smooth_TM[index]):
        return "stuck"
    quarter = int(np.searchsorted(presentations_T, 0.75 * presentations_T[-1]))
    return "improving" if _beyond_error(smooth_TM[quarter] - smooth_TM[-1]) else "converged"


def _beyond_error(gains_M: NDArray[np.float64]) -> bool:
    """Whether the mean gain exceeds its standard error over scans."""
    return bool(gains_M.mean() > gains_M.std(ddof=1) / np.sqrt(len(gains_M)))
