"""Whose the gain is, in words, for every pattern of results; from predictions made for it."""

from pathlib import Path

import pytest
from studies import compared_study

from analysis.comparison import comparison_table
from analysis.explanation import MARGIN, equivalent, explanation_sentences
from analysis.findings import tables
from analysis.records import read_records
from analysis.verdict import verdict_sentences

# SDs of the arms' test errors; a negative one copies the errors of the arm before it but for a hundredth.
PATTERNS = {
    "the blanks'": (
        {"base": 14.0, "set_sum": 5.0, "blank_only": -1.0},
        ["blank_only is equivalent to set_sum within 0.05 ICC", "the gain is the blanks', not the sets'"],
    ),
    "the penalty's": (
        {"base": 14.0, "set_sum": 5.0, "bias_penalty": -1.0},
        ["bias_penalty is equivalent to set_sum", "the gain is the mean-error penalty's, not the sets'"],
    ),
    "one of two": (
        {"base": 14.0, "set_sum": 5.0, "bias_penalty": -1.0, "blank_only": 14.0},
        [
            "blank_only falls short of set_sum",
            "not the blanks' alone",
            "the gain is the mean-error penalty's",
        ],
    ),
    "better without sets": (
        {"base": 20.0, "set_sum": 11.0, "blank_only": 2.0},
        ["blank_only does better than set_sum", "the gain needs no sets"],
    ),
    "not known": (
        {"base": 24.0, "set_sum": 8.0, "blank_only": 8.5},
        ["is not known", "neither equivalent to set_sum within 0.05 ICC nor different"],
    ),
    "no gain": (
        {"base": 8.0, "set_sum": -1.0, "blank_only": 8.0},
        ["set_sum has not been shown to beat base, so there is no gain to explain"],
    ),
    "a loss": (
        {"base": 4.0, "set_sum": 16.0, "blank_only": 4.0},
        ["set_sum is worse than base here: there is no gain"],
    ),
    "a gain within the margin": (
        {"base": 5.0, "set_sum": 3.0, "blank_only": -1.0},
        ["blank_only is equivalent to set_sum", "but the gain is no larger than that", "is not known"],
    ),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_has_its_words(name: str, tmp_path: Path):
    noise, words = PATTERNS[name]
    text = " ".join(explanation_sentences(comparison_table(read_records(compared_study(tmp_path, noise)))))
    for expected in words:
        assert expected in text
    others = {"the gain is the blanks', not", "the gain is the mean-error penalty's, not", "there is no gain"}
    assert {other for other in others if other in text} == {
        other for other in others if any(other in word or word in other for word in words)
    }


def test_equivalence_without_a_gain_over_base_explains_nothing(tmp_path: Path):
    table = comparison_table(read_records(compared_study(tmp_path, PATTERNS["the blanks'"][0])))
    against_base = (table["first"] == "blank_only") & (table["second"] == "base")
    table.loc[against_base, "swap_p_icc_holm"] = 0.3
    (sentence,) = explanation_sentences(table)
    assert "it has not been shown to beat base" in sentence
    assert "is not known" in sentence


def test_a_sentence_that_rests_on_an_unfinished_arm_says_so(tmp_path: Path):
    table = comparison_table(read_records(compared_study(tmp_path, PATTERNS["one of two"][0])))
    blanks, penalty = explanation_sentences(table, {"blank_only", "dropout"})
    assert blanks.endswith("This may change with a longer training: blank_only had not converged.")
    assert "longer training" not in penalty


def test_equivalence_needs_the_whole_interval_within_the_margin(tmp_path: Path):
    row = comparison_table(read_records(compared_study(tmp_path, PATTERNS["the blanks'"][0]))).iloc[-1]
    assert equivalent(row)
    for limit in ("icc_low", "icc_high"):
        sign = -1 if "low" in limit else 1
        changed = row.copy()
        changed[limit] = sign * MARGIN * 1.01
        assert not equivalent(changed)
        changed[limit] = float("nan")
        assert not equivalent(changed)


def test_nothing_is_explained_without_ablations_and_the_verdict_passes_the_explanation_on(
    finished: Path, tmp_path: Path
):
    assert explanation_sentences(comparison_table(read_records(finished))) == []
    noise, words = PATTERNS["the blanks'"]
    records = read_records(compared_study(tmp_path, noise))
    sentences = [text for text, _ in verdict_sentences(records, tables(records))]
    assert "set_sum beats base" in sentences[0]
    # The ablation's row against set_sum is no claim of its own.
    assert "against set_sum" not in sentences[0]
    assert any(words[1] in text for text in sentences)
    assert any("test scans this study would have told set_sum from base" in text for text in sentences)
