"""Why `set_sum` is better than `base`, where it is: the sets, their blanks, or the mean-error penalty.

Two ablations have one part of a set's effect each (docs/arms.md): `blank_only` the blanks without sums,
`bias_penalty` the expected objective without the noise of sets. If one of them beats `base` as `set_sum` does
and is equivalent to it, that part explains the gain.
"""

from collections.abc import Collection

import pandas as pd

from analysis.words import interval, p_value, signed

MARGIN = 0.05
"""ICC difference within which two arms are taken for equivalent; the gain that the paper reports for 30
training scans (its Table 1, 0.79 to 0.84). A gain no larger than this cannot be explained by equivalence."""

CONVINCING = 0.05
"""Holm-adjusted p of the swap test below which two arms are called different."""

PARTS = {"blank_only": "the blanks'", "bias_penalty": "the mean-error penalty's"}


def explanation_sentences(comparison: pd.DataFrame, unfinished: Collection[str] = ()) -> list[str]:
    """Whose the gain of `set_sum` over `base` is, a sentence an ablation; none without ablations.

    Equivalent: the 95% interval of the ICC difference lies within MARGIN either way. (The 90% interval of two
    one-sided tests at 5% called arms that were MARGIN apart equivalent in up to 12 of 100 simulated studies.)
    The gain is a part's if it is larger than MARGIN and the part's ablation is equivalent to `set_sum` and
    beats `base` too.

    Args:
        comparison: See `analysis.comparison.comparison_table`.
        unfinished: Arms whose training had not converged; a sentence that rests on one says so.
    """
    rows = {(row["first"], row["second"]): row for _, row in comparison.iterrows()}
    asked = [ablation for ablation in PARTS if (ablation, "set_sum") in rows]
    gain = rows.get(("set_sum", "base"))
    if not asked or gain is None:
        return []
    if not _beats(gain):
        return [_no_gain(gain) + _doubt(["base", "set_sum"], unfinished)]
    return [
        _explained(name, rows[name, "set_sum"], rows[name, "base"], gain)
        + _doubt(["base", "set_sum", name], unfinished)
        for name in asked
    ]


def equivalent(row: "pd.Series") -> bool:
    """Whether the 95% interval of a pair's ICC difference lies within MARGIN either way."""
    return bool(row["icc_low"] > -MARGIN and row["icc_high"] < MARGIN)


def _no_gain(gain: "pd.Series") -> str:
    if _differ(gain):
        return "set_sum is worse than base here: there is no gain for blank_only or bias_penalty to explain."
    return (
        "set_sum has not been shown to beat base, so there is no gain to explain: what its ablations "
        "share with it says nothing about sets."
    )


def _explained(ablation: str, row: "pd.Series", against_base: "pd.Series", gain: "pd.Series") -> str:
    whose, limits = PARTS[ablation], interval(row["icc_low"], row["icc_high"], 3)
    limits = f"{signed(row['icc_difference'], 3)}, 95% interval {limits}"
    if equivalent(row):
        found = f"{ablation} is equivalent to set_sum within {MARGIN:g} ICC ({limits})"
        if _beats(against_base) and gain["icc_difference"] > MARGIN:
            return f"{found} and beats base too: the gain is {whose}, not the sets'."
        why = (
            "the gain is no larger than that"
            if _beats(against_base)
            else "it has not been shown to beat base"
        )
        return f"{found}, but {why}: whether the gain is {whose} or the sets' is not known."
    tested = f"{limits}, swap test p {p_value(row['swap_p_icc_holm'])}"
    if _differ(row) and row["icc_difference"] > 0:
        return f"{ablation} does better than set_sum ({tested}): the gain needs no sets, it can be {whose}."
    if _differ(row):
        return f"{ablation} falls short of set_sum ({tested}): the gain is not {whose} alone."
    return (
        f"Whether the gain is {whose} or the sets' is not known: {ablation} is neither equivalent to set_sum "
        f"within {MARGIN:g} ICC nor different from it ({tested})."
    )


def _doubt(arms: list[str], unfinished: Collection[str]) -> str:
    names = [arm for arm in arms if arm in unfinished]
    if not names:
        return ""
    return f" This may change with a longer training: {', '.join(names)} had not converged."


def _beats(row: "pd.Series") -> bool:
    return _differ(row) and bool(row["icc_difference"] > 0)


def _differ(row: "pd.Series") -> bool:
    return bool(row["swap_p_icc_holm"] < CONVINCING)
