"""The paper's experiments in the paper's shape: this series' figures beside the published ones."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.published import published
from analysis.style import FAINT, MARKERS, colour, legend_of, styled, verdict_of
from analysis.words import NOTHING, fixed, in_order, interval

PROTOCOLS = {"paper": "paper's", "kfold": "setsum's"}
"""What `validation.protocol` is called in tables that have both."""


def with_published(side_by_side: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """Rows of `side_by_side` in the order of the paper's table, its ICC beside each of the same kind.

    A published row belongs to those of the same arm, loss, and numbers of training (development) and test
    scans; `published_icc` and `published_sd` are missing where the paper has none. Reference rows come last.
    """
    values = published(experiment).table.rename(columns={"training": "development", "test": "test_scans"})
    values = values.rename(columns={"icc": "published_icc", "sd": "published_sd"}).drop(columns="seeds")
    values["printed"] = range(len(values))
    table = side_by_side.assign(test_scans=side_by_side["test_scans"].astype(float))
    table = table.merge(
        values.astype({"test_scans": float}), on=["arm", "loss", "development", "test_scans"], how="left"
    )
    arms = in_order(table["arm"])
    studies = list(dict.fromkeys(table["study"]))
    order = pd.DataFrame(
        {
            "study": table["study"].map(studies.index),
            "arm": table["arm"].map(arms.index),
        }
    )
    return table.loc[order.sort_values(["study", "arm"]).index].reset_index(drop=True)


def table1(side_by_side: pd.DataFrame) -> pd.DataFrame:
    """The paper's Table 1 as texts: a row a study and arm, ICC here and as published.

    `ICC by seed` is mean and SD over the seeds one by one (as in the paper), `ICC of the mean` that of the
    predictions averaged over them, with its 95% interval over test scans.
    """
    table = with_published(side_by_side, "table1")
    return pd.DataFrame(
        [
            {
                "protocol": PROTOCOLS[row["protocol"]],
                "method": row["arm"],
                "training scans": str(row["development"]),
                "testing scans": _whole(row["test_scans"]),
                "loss": str(row["loss"]).upper(),
                "ICC by seed": _by_seed(row),
                "ICC of the mean [95%]": f"{fixed(row['test_icc'])} "
                f"{interval(row['icc_low'], row['icc_high'])}".strip(),
                "seeds": _whole(row["seeds"]),
                "verdict": NOTHING if pd.isna(row["verdict"]) else str(row["verdict"]),
                "published ICC": _plus_minus(row["published_icc"], row["published_sd"]),
            }
            for _, row in table.iterrows()
        ]
    )


@styled
def table1_figure(side_by_side: pd.DataFrame) -> Figure:
    """ICCs of Table 1, a panel a protocol: of the mean over seeds with its interval, and as published."""
    table = with_published(side_by_side, "table1")
    table = table[table["arm"].isin(["base", "set_sum"])]
    protocols = list(dict.fromkeys(table["protocol"]))
    figure = Figure(figsize=(3.5 * len(protocols) + 0.6, 3.4), layout="constrained")
    axes = figure.subplots(1, len(protocols), sharey=True, squeeze=False)[0]
    for axis, protocol in zip(axes, protocols, strict=True):
        rows = table[table["protocol"] == protocol]
        studies = list(dict.fromkeys(rows["study"]))
        for _, row in rows.iterrows():
            x = studies.index(row["study"]) + (0.14 if row["arm"] == "set_sum" else -0.14)
            tint = colour(row["arm"])
            axis.plot([x, x], [row["icc_low"], row["icc_high"]], color=tint, lw=1.6)
            axis.plot(x, row["test_icc"], MARKERS[verdict_of(row["verdict"])], color=tint, ms=6)
            axis.plot(x + 0.07, row["published_icc"], "D", mfc="none", mec=FAINT, ms=5)
        labels = [
            f"{str(row['loss']).upper()}\n{row['development']} + {_whole(row['test_scans'])}"
            for _, row in rows.drop_duplicates("study").iterrows()
        ]
        axis.set_xticks(range(len(studies)), labels)
        axis.set_title(f"{PROTOCOLS[protocol]} protocol")
        axis.set_xlabel("loss; training + testing scans")
    axes[0].set_ylabel("test ICC(A,1), 95% interval")
    published_too = [Line2D([], [], marker="D", ls="", mfc="none", mec=FAINT, label="published (real scans)")]
    known = table["published_icc"].notna().any()
    verdicts = [verdict_of(verdict) for verdict in table["verdict"]]
    legend_of(figure, table["arm"], verdicts, published_too if known else [])
    return figure


def _by_seed(row: "pd.Series") -> str:
    if pd.isna(row["icc_seed_sd"]):
        return fixed(row["test_icc"])
    return _plus_minus(row["icc_seed_mean"], row["icc_seed_sd"])


def _plus_minus(value: float, sd: float) -> str:
    return fixed(value) if pd.isna(sd) else f"{fixed(value)} ± {fixed(sd)}"


def _whole(value: float) -> str:
    return NOTHING if pd.isna(value) else str(int(value))
