"""What a study found, in sentences: which arm is better, how surely, or that none can be told apart."""

import pandas as pd

from analysis.coverage import DIFFERENCES, coverage_sentence
from analysis.detectable import detectable_sentence
from analysis.explanation import CONVINCING, explanation_sentences
from analysis.records import Records
from analysis.words import fixed, interval, number, p_value, signed

TRAINED = (
    "Intervals and tests are over scans, of the networks trained here: training the same arms once more "
    "moves their scores too, by about the SD over seeds, and nothing here counts that."
)


def grouped_sentence(scans: int, groups: int) -> str:
    """What is drawn and swapped where there are several scans of one person; empty where there are not."""
    if groups == scans:
        return ""
    return (
        f"The {scans} test scans are of {groups} groups (persons): bootstraps and the swap test take the "
        "scans of a group together. Whatever else is computed from scans, such as Williams' test, limits of "
        "agreement and detectable differences, counts each as independent and is too sure."
    )


def verdict_sentences(records: Records, found: dict[str, pd.DataFrame]) -> list[tuple[str, str]]:
    """(sentence, kind) pairs, kind `verdict` for the answer and `soft` for what limits it."""
    summary, comparison = found["summary"], found["comparison"]
    claims = comparison[comparison["family"] == "arms"]
    verdicts = dict(zip(summary["arm"], summary["verdict"], strict=True))
    answer = _tested(claims, verdicts) if not claims.empty else _untested(records, summary)
    sentences = [(answer, "verdict")]
    if not comparison.empty:
        scans, groups = (int(comparison[name].max()) for name in ("scans", "groups"))
        limits = [coverage_sentence(*DIFFERENCES, scans=groups), grouped_sentence(scans, groups), TRAINED]
        sentences += [(text, "soft") for text in limits if text]
    unfinished = set(summary.loc[summary["verdict"].isin(["improving", "stuck"]), "arm"])
    limits = [*explanation_sentences(comparison, unfinished), detectable_sentence(found["detectable"])]
    sentences += [(text, "soft") for text in limits if text]
    for verdict, consequence in (
        ("improving", "was still improving when its budget ended: a longer one may change its place"),
        ("stuck", "never left predicting the mean within its budget: nothing is known about it"),
    ):
        arms = [str(arm) for arm in summary.loc[summary["verdict"] == verdict, "arm"]]
        sentences += [(f"{arm} {consequence}{_needed(summary, arm)}.", "soft") for arm in arms]
    return sentences


def _needed(summary: pd.DataFrame, arm: str) -> str:
    """What an arm that was still improving needs, by extrapolation; empty where nothing is known of it."""
    known = summary.reindex(columns=["arm", "needed"]).dropna().set_index("arm")["needed"]
    return f" ({known[arm]}, extrapolated)" if arm in known.index else ""


def _tested(comparison: pd.DataFrame, verdicts: dict[str, object]) -> str:
    scans = int(comparison["scans"].max())
    told = comparison[comparison["swap_p_icc_holm"] < CONVINCING]
    if told.empty:
        widest = comparison.iloc[int(comparison["icc_difference"].abs().fillna(-1).argmax())]
        return (
            f"No arm can be told from the one it is compared with on {scans} test scans; the largest "
            f"difference is {_difference(widest)}{_unfinished(widest, verdicts)}."
        )
    parts = [
        f"{row['first']} {'beats' if row['icc_difference'] > 0 else 'is worse than'} {row['second']} "
        f"({_difference(row)}{_unfinished(row, verdicts)})"
        for _, row in told.iterrows()
    ]
    return f"On {scans} test scans " + "; ".join(parts) + "."


def _difference(row: "pd.Series") -> str:
    limits = interval(row["icc_low"], row["icc_high"], 3)
    gap = f"ICC {signed(row['icc_difference'], 3)} {limits}".strip()
    p = f"p = {p_value(row['swap_p_icc_holm'])}".replace("= <", "<")
    return f"{row['first']} against {row['second']}, {gap}, swap test {p} (Holm)"


def _unfinished(row: "pd.Series", verdicts: dict[str, object]) -> str:
    """Which of the two arms compared had not finished learning."""
    arms = [str(row["first"]), str(row["second"])]
    words = {"improving": "still improving", "stuck": "stuck at the mean"}
    said = [f"{arm} {words[str(verdicts[arm])]}" for arm in arms if verdicts.get(arm) in words]
    return f", {' and '.join(said)}" if said else ""


def _untested(records: Records, summary: pd.DataFrame) -> str:
    stage, score = ("confirmed", "confirmed_score")
    if records.confirmed.empty:
        stage, score = ("searched", "validation_score")
    rows = summary.dropna(subset=[score])
    if rows.empty:
        return "No arm completed a trial."
    tested = summary.dropna(subset=["trial", "test_icc"])
    if not tested.empty:
        iccs = [
            f"{row['arm']} ICC {fixed(row['test_icc'])} {interval(row['icc_low'], row['icc_high'])}".strip()
            + (", still improving" if row["verdict"] == "improving" else "")
            for _, row in tested.iterrows()
        ]
        return f"Tested: {', '.join(iccs)}. There is no base arm to compare with."
    best = rows.iloc[int(rows[score].astype(float).argmin())]
    mark = ", still improving" if best["verdict"] == "improving" else ""
    return (
        f"The arms have been {stage} but not compared on test scans. Lowest so far is {best['arm']} "
        f"({best['configuration']}, {number(best[score])}{mark}): chosen on these same scans, so flattered."
    )
