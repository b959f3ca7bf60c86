"""Table and figure: which searched parameters mattered, by two of Optuna's measures.

PED-ANOVA (Watanabe, Bansal and Hutter 2023) asks which parameters set the better trials apart from
the rest; fANOVA (Hutter, Hoos and Leyton-Brown 2014) how much of a random forest's variance each explains
alone, as a share of what all of them explain so. Their spread over bootstrap resamples of the trials says
how far to trust them.
"""

import json
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.selection import select_trials
from analysis.style import INK, panels, styled
from analysis.words import in_order
from study.badinput import BadInput

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

FEWEST = 20
"""Completed trials of an arm below which importances are noise."""
MOST = 80
"""Trials of an arm that are used, the first ones: the work grows with them, the spread hardly shrinks."""
RESAMPLES = 20
TREES = 8
METHODS = {"PED-ANOVA": "#0072b2", "fANOVA": "#e69f00"}
COLUMNS = ["arm", "method", "parameter", "importance", "low", "high", "trials", "resamples"]

Importances = dict[str, float]


def importances_table(trials: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A row an arm, method and searched parameter, the most important first; none where trials are few.

    `importance` sums to one over an arm's parameters; `low` and `high` are the middle 80% over
    bootstrap resamples of the trials.

    Args:
        trials: Rows of trials.parquet; only completed trials of an arm's full budget count.
        seed: Of resamples and forests.
    """
    rows = [row for arm in in_order(trials["arm"]) for row in _arm_rows(trials, arm, seed)]
    return pd.DataFrame(rows, columns=COLUMNS)


def too_few(trials: pd.DataFrame) -> str:
    """Arms without importances and why, in a sentence; empty where every arm has them."""
    counts = {arm: len(usable_trials(trials, arm)) for arm in in_order(trials["arm"])}
    named = [f"{arm} ({count})" for arm, count in counts.items() if count < FEWEST]
    if not named:
        return ""
    return f" Fewer than {FEWEST} completed trials, so no importances: {', '.join(named)}."


def usable_trials(trials: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Completed trials of an arm's full budget with a finite score, in the order of their numbers."""
    try:
        return select_trials(trials, arm, len(trials)).sort_values("trial")
    except BadInput:
        return trials.iloc[:0]


def _arm_rows(trials: pd.DataFrame, arm: str, seed: int) -> Iterator[dict[str, object]]:
    mine = usable_trials(trials, arm)
    if len(mine) < FEWEST:
        return
    mine = mine.head(MOST).reset_index(drop=True)
    space = distributions(mine)
    # What never varied has no importance, and one parameter alone has all of it.
    if len(space) < 2 or mine["score"].nunique() < 2:
        return
    generator = np.random.default_rng(seed)
    finished = frozen(mine, space)
    whole, *resampled = [
        in_memory([finished[position] for position in positions])
        for positions in [
            np.arange(len(mine)),
            *(generator.integers(0, len(mine), len(mine)) for _ in range(RESAMPLES)),
        ]
    ]
    for method in METHODS:
        estimate = measured(method, whole, list(space), seed)
        spread = pd.DataFrame([measured(method, study, list(space), seed) for study in resampled])
        for parameter in sorted(estimate, key=lambda name: (-estimate[name], name)):
            low, high = np.nanquantile(spread[parameter], [0.1, 0.9])
            key = {"arm": arm, "method": method, "parameter": parameter}
            counts = {"trials": len(mine), "resamples": RESAMPLES}
            yield key | {"importance": estimate[parameter], "low": low, "high": high} | counts


def distributions(trials: pd.DataFrame) -> "dict[str, BaseDistribution]":
    """What an arm's searched parameters range over, as far as its trials show; fixed ones are left out.

    Positive numbers that span more than a factor of five are taken as searched by their logarithm.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    space: dict[str, BaseDistribution] = {}
    for name in json.loads(str(trials["varied"].iloc[0])):
        values = trials.get(f"config.{name}", pd.Series(dtype=object)).dropna().tolist()
        if len(values) < len(trials) or len(set(values)) < 2:
            continue
        if any(isinstance(value, bool | str) for value in values):
            space[name] = CategoricalDistribution(sorted(set(values)))
        elif all(float(value).is_integer() for value in values):
            space[name] = IntDistribution(int(min(values)), int(max(values)))
        else:
            wide = min(values) > 0 and max(values) > 5 * min(values)
            space[name] = FloatDistribution(float(min(values)), float(max(values)), log=wide)
    return space


def measured(method: str, study: "Study", parameters: list[str], seed: int) -> Importances:
    """Importance of each of the parameters; NaN where it cannot tell, as where all scores are equal."""
    import optuna
    from optuna.importance import (
        FanovaImportanceEvaluator,
        PedAnovaImportanceEvaluator,
        get_param_importances,
    )

    makers: dict[str, Callable[[], Any]] = {
        "PED-ANOVA": PedAnovaImportanceEvaluator,
        "fANOVA": lambda: FanovaImportanceEvaluator(n_trees=TREES, max_depth=16, seed=seed),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            found = get_param_importances(study, evaluator=makers[method]())
        except (RuntimeError, ValueError):
            found = {}
    return {name: float(found.get(name, np.nan)) for name in parameters}


def frozen(trials: pd.DataFrame, space: "dict[str, BaseDistribution]") -> "list[FrozenTrial]":
    """The trials as Optuna's: parameters of `space`, values their scores."""
    from optuna.trial import create_trial

    columns = trials[["score", *(f"config.{name}" for name in space)]].itertuples(index=False, name=None)
    return [
        create_trial(
            params={name: _value(value, space[name]) for name, value in zip(space, values, strict=True)},
            distributions=space,
            value=float(score),
        )
        for score, *values in columns
    ]


def in_memory(trials: "list[FrozenTrial]") -> "Study":
    """A study of this process that holds the trials and leaves Optuna's log level as it was."""
    import optuna

    loud = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="minimize")
    finally:
        optuna.logging.set_verbosity(loud)
    study.add_trials(trials)
    return study


def _value(value: Any, kind: "BaseDistribution") -> object:  # noqa: ANN401 - of any searched type
    return {"IntDistribution": int, "FloatDistribution": float}.get(type(kind).__name__, lambda same: same)(
        value
    )


@styled
def importances_figure(table: pd.DataFrame) -> Figure:
    """A panel an arm: bars by both methods, lines the middle 80% over resamples.

    Args:
        table: From `importances_table`, with rows.
    """
    arms = in_order(table["arm"])
    most = max(table.loc[table["arm"] == arm, "parameter"].nunique() for arm in arms)
    figure, axes = panels(len(arms), width=3.4, height=0.9 + 0.42 * most, most=3, shared=False)
    for axis, arm in zip(axes, arms, strict=True):
        mine = table[table["arm"] == arm]
        order = list(mine.groupby("parameter")["importance"].mean().sort_values().index)
        for offset, (method, hue) in zip((0.2, -0.2), METHODS.items(), strict=True):
            rows = mine[mine["method"] == method].set_index("parameter").reindex(order)
            places, value = np.arange(len(order)) + offset, rows["importance"].to_numpy(float)
            axis.barh(places, value, 0.36, color=hue, label=method, zorder=2)
            axis.hlines(places, rows["low"], rows["high"], color=INK, lw=1.4, zorder=3)
        axis.set_yticks(range(len(order)), order)
        axis.grid(visible=False, axis="y")
        axis.set_xlim(0, 1)
        axis.set_title(f"{arm}: {int(mine['trials'].max())} trials")
        axis.set_xlabel("importance")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    return figure
