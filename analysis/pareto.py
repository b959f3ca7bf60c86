"""Table: the searched configurations that no other beats at their cost, or at their strength."""

import pandas as pd

from analysis.cost import COSTS, cost_table, on_front
from analysis.drawing import score_of
from analysis.flat import strengths
from analysis.records import Records
from analysis.style import verdict_of
from analysis.tradeoff import tradeoff_table

STRENGTHS = ("expected_set_size", "mean_error_weight")
COLUMNS = ["arm", "trial", "configuration", "verdict", "score", *COSTS, *STRENGTHS, "fronts"]


def pareto_table(records: Records) -> pd.DataFrame:
    """A row a completed trial that is on a front, best first, over all arms.

    `fronts` names the costs of `cost_table`, and the strengths, at which no trial is as good with less
    or better with as much. Strengths leave out what they do not describe (mixup and the ablation of
    blanks); trials that are stuck are on no front.
    """
    no_flat_region = records.trials.head(0).assign(least=pd.Series(dtype=bool))
    trials = tradeoff_table(records.trials, records.curves, no_flat_region)
    rows = cost_table(trials, records.curves, score_of(records)[1])
    described = records.trials.loc[strengths(records.trials), ["arm", "trial", *STRENGTHS]]
    rows = rows.merge(described, on=["arm", "trial"], how="left")
    score = rows["score"].where(rows["verdict"].map(verdict_of) != "stuck").to_numpy(float)
    fronts = {name: on_front(score, rows[name].to_numpy(float)) for name in STRENGTHS}
    rows["fronts"] = [
        " ".join([*costs.split(), *(name for name in STRENGTHS if fronts[name][position])])
        for position, costs in enumerate(rows["pareto"])
    ]
    return rows.loc[rows["fronts"] != "", COLUMNS].reset_index(drop=True)
