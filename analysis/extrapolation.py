"""Arms that were still improving when their budget ended, and how long a continued run would have to be.

The last half of the pooled curve is continued in two ways, as an exponential approach to a floor
and as a power law; the truth may be neither, so both are told, and nothing beyond four budgets.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls

from analysis.selection import best_trial

FARTHEST = 4
"""Budgets beyond which nothing is extrapolated."""
FEWEST = 4
"""Reports that a fit of three parameters needs at least."""
COLUMNS = ["arm", "trial", "budget", "gain", "standard_error", "needed_low", "needed_high", "needed"]

Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def improving_trials(trials: pd.DataFrame, confirmed: pd.DataFrame) -> dict[str, int]:
    """By arm its best trial, of the arms where that was still improving at the end of its budget."""
    found = {}
    for arm in trials["arm"].unique():
        best = best_trial(trials, confirmed, arm)
        verdict = trials.loc[(trials["arm"] == arm) & (trials["trial"] == best), "verdict"]
        if best is not None and (verdict == "improving").any():
            found[str(arm)] = best
    return found


def improving_table(followed: pd.DataFrame, improving: dict[str, int]) -> pd.DataFrame:
    """A row an improving arm: the presentations after which it would count as converged.

    Columns: arm, trial, budget (presentations), gain (of the last quarter of the budget, smoothed
    over three reports), standard_error (of that gain, paired by scan), needed_low and needed_high
    (presentations by the more and the less hopeful of the two continuations, infinite beyond
    `FARTHEST` budgets, NaN where there is nothing to fit), needed (the same in words).

    Args:
        followed: Errors by arm, trial and presentations (rows) and scan; of `read_searched`.
        improving: From `improving_trials`.
    """
    rows = []
    for arm, trial in improving.items():
        places = followed.index.to_frame(index=False)
        mine = ((places["arm"] == arm) & (places["trial"] == trial)).to_numpy()
        if mine.any():
            errors = followed[mine].droplevel(["arm", "trial"]).sort_index().dropna(axis=1)
            rows.append({"arm": arm, "trial": trial} | _row(errors))
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(errors: pd.DataFrame) -> dict[str, object]:
    presentations_T, smooth_TM = errors.index.to_numpy(float), _over_three(errors.to_numpy(float))
    budget = presentations_T[-1]
    gain_M = smooth_TM[np.searchsorted(presentations_T, 0.75 * budget)] - smooth_TM[-1]
    error = float(gain_M.std(ddof=1) / np.sqrt(len(gain_M)))
    low, high = needed_presentations(presentations_T, smooth_TM.mean(axis=1), error)
    return {
        "budget": int(budget),
        "gain": float(gain_M.mean()),
        "standard_error": error,
        "needed_low": low,
        "needed_high": high,
        "needed": in_words(int(budget), low, high),
    }


def needed_presentations(
    presentations_T: NDArray[np.float64], smoothed_T: NDArray[np.float64], tolerance: float
) -> tuple[float, float]:
    """Budgets whose last quarter would lower the error by no more than `tolerance`, by two continuations.

    The lower and the higher one; infinite where that is beyond `FARTHEST` budgets, NaN where there
    are fewer than `FEWEST` reports or the curve does not fall.
    """
    if len(presentations_T) < FEWEST:
        return float("nan"), float("nan")
    last = slice(min(len(presentations_T) // 2, len(presentations_T) - FEWEST), None)
    budget = float(presentations_T[-1])
    at_T, error_T = presentations_T[last] / budget, smoothed_T[last]
    curves = [_fitted(_exponential, at_T, error_T), _fitted(_power, at_T, error_T)]
    next_report = 1 + 1 / len(presentations_T)
    found = sorted(_settles(curve, tolerance, next_report) * budget for curve in curves if curve is not None)
    return (found[0], found[-1]) if found else (float("nan"), float("nan"))


def in_words(budget: int, low: float, high: float) -> str:
    """Such as `needs about 1,300 to 2,100 presentations`, or `not before 3,600`."""
    if np.isnan(low):
        return f"not before {budget:,} presentations: its curve is too short or too level to be continued"
    if np.isinf(low):
        return f"not before {FARTHEST * budget:,} presentations"
    first, last = _rounded(low), _rounded(high)
    if np.isinf(high):
        return f"needs {first} presentations or far more"
    return f"needs about {first if first == last else f'{first} to {last}'} presentations"


def improving_note(table: pd.DataFrame) -> str:
    """What stands beneath everything that ranks arms; empty where none was still improving."""
    if table.empty:
        return ""
    arms = "; ".join(f"{row['arm']} ({row['needed']})" for _, row in table.iterrows())
    return f" Still improving when the budget ended, so ranked too low if anything: {arms}, extrapolated."


def _rounded(presentations: float) -> str:
    if np.isinf(presentations):
        return ""
    digits = 1 - int(np.floor(np.log10(presentations)))
    return f"{round(presentations, digits):,.0f}"


def _over_three(errors_TM: NDArray[np.float64]) -> NDArray[np.float64]:
    """As the verdict smooths: the mean with the reports on either side."""
    return np.stack([errors_TM[max(0, t - 1) : t + 2].mean(axis=0) for t in range(len(errors_TM))])


def _exponential(at: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    return np.exp(-rate * at)


def _power(at: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    return at**-rate


def _fitted(
    shape: Callable[[NDArray[np.float64], float], NDArray[np.float64]],
    at_T: NDArray[np.float64],
    error_T: NDArray[np.float64],
) -> Curve | None:
    """floor + fall * shape(at, rate) by least squares, floor and fall not negative; None if it is flat."""
    best: tuple[float, float, NDArray[np.float64]] | None = None
    for rate in np.geomspace(0.05, 20, 60):
        design = np.stack([np.ones_like(at_T), shape(at_T, rate)], axis=1)
        weights, residual = nnls(design, error_T)
        if best is None or residual < best[0]:
            best = (residual, rate, weights)
    # A fall that is nothing but rounding is none.
    if best is None or best[2][1] <= 1e-9 * np.abs(error_T).max():
        return None
    _, rate, (floor, fall) = best
    return lambda at: floor + fall * shape(at, rate)


def _settles(curve: Curve, tolerance: float, first: float) -> float:
    """The first budget, in units of the present one, whose last quarter gains no more than `tolerance`."""
    budgets = np.linspace(first, FARTHEST, 301)
    small = curve(0.75 * budgets) - curve(budgets) <= tolerance
    return float(budgets[small.argmax()]) if small.any() else float("inf")
