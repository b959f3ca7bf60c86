"""Live figures: legal for plotly, no more than a browser can move, and nothing of a study read as a tag."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import write_study

from analysis.findings import drawings, tables
from analysis.limits import limits_of_agreement
from analysis.live.agreement import bland_altman
from analysis.live.figures import figure_json, live_figure
from analysis.live.frame import evenly, log_axis, plain, rounded
from analysis.live.importances import importances
from analysis.live.tradeoff import thinned
from analysis.policy import data
from analysis.records import read_records
from analysis.tested import averaged, standing_predictions

NAMES = (
    "predictions",
    "predictions_valdo-2021",
    "bland_altman",
    "curves",
    "tradeoff",
    "coordinates",
    "optimism",
)


def pictured(study: Path, name: str):
    records = read_records(study)
    figure = live_figure(name, records, tables(records))
    assert figure is not None, name
    return records, figure


@pytest.mark.parametrize("name", NAMES)
def test_a_live_figure_is_one_to_plotly(finished: Path, name: str):
    _, figure = pictured(finished, name)
    content = json.loads(json.dumps(figure_json(figure), allow_nan=False))
    in_page_colours = json.dumps(content).replace('"--', '"#12345')
    for colour in ("ink", "soft", "line", "card", "faint", "rule"):
        in_page_colours = in_page_colours.replace(f"#12345{colour}", "#123456")
    parts = json.loads(in_page_colours)
    checked = go.Figure(data=parts["data"], layout=parts["layout"])
    assert len(checked.data) == len(figure.data) > 0


def test_drawings_without_a_live_figure_have_none(finished: Path):
    records = read_records(finished)
    found = tables(records)
    names = [drawing.name for drawing in drawings(records, found)]
    without = {name for name in names if live_figure(name, records, found) is None}
    assert without == {"cost", "slices", "price", "worst_base", "worst_dropout", "worst_set-sum"}


def test_the_points_are_the_predictions_averaged_over_seeds(finished: Path):
    records, figure = pictured(finished, "predictions")
    cases = averaged(standing_predictions(records))
    for trace in figure.data:
        if trace["mode"] != "markers":
            continue
        mine = cases[cases["arm"] == trace["name"]]
        np.testing.assert_allclose(trace["x"], mine["label"], rtol=1e-4)
        np.testing.assert_allclose(trace["y"], mine["prediction"], rtol=1e-4)


def test_limits_of_agreement_are_those_of_bland_and_altman():
    """Differences -2, 0, 2, 4: bias 1, SD sqrt(20 / 3), limits 1 plus and minus 1.96 times that."""
    label, off = np.array([10.0, 20.0, 30.0, 40.0]), np.array([-2, 0, 2, 4])
    rows = pd.DataFrame(
        {"arm": "base", "seed": 0, "scan": [*"abcd"], "label": label, "prediction": label + off}
    )
    found = limits_of_agreement(rows["prediction"], label)
    lines = {"bias": found.bias, "loa_lower": found.lower, "loa_upper": found.upper}
    ends = dict(zip(lines, (found.bias_interval, found.lower_interval, found.upper_interval), strict=True))
    row = {"arm": "base", **lines} | {f"{name}_low": low for name, (low, _) in ends.items()}
    agreement = pd.DataFrame([row | {f"{name}_high": high for name, (_, high) in ends.items()}])
    figure = bland_altman(rows, agreement, "ml")
    low, high, bias = (trace["y"][0] for trace in figure.data[:3])
    expected = (1 - 1.96 * (20 / 3) ** 0.5, 1, 1 + 1.96 * (20 / 3) ** 0.5)
    assert (low, bias, high) == pytest.approx(expected, rel=1e-4)
    assert figure.data[3]["x"] == [9, 20, 31, 42]
    assert figure.data[3]["y"] == [-2, 0, 2, 4]
    bands = [(band["y0"], band["y1"]) for band in figure.layout["shapes"]]
    np.testing.assert_allclose(bands, [*ends.values()], rtol=1e-4)


def test_every_trial_has_its_curve_and_pruned_ones_are_dotted(finished: Path):
    records, figure = pictured(finished, "curves")
    trials = len(records.trials)
    lines = [trace for trace in figure.data if trace["mode"] == "lines"]
    assert sum(trace["x"].count(None) for trace in lines) + 3 == trials
    dotted = [trace for trace in lines if trace["line"]["dash"] == "dot"]
    assert sum(trace["x"].count(None) for trace in dotted) == (records.trials["status"] != "completed").sum()
    assert any("pruned" in text for trace in dotted for text in trace["hovertext"])


def test_an_infinite_weight_has_a_place_of_its_own(finished: Path):
    records, figure = pictured(finished, "tradeoff")
    done = records.trials[records.trials["status"] == "completed"]
    assert np.isinf(done["mean_error_weight"]).any()
    assert figure.layout["xaxis2"]["ticktext"][-1] == "∞"
    assert max(max(trace["x"]) for trace in figure.data if trace["xaxis"] == "x2") == pytest.approx(
        figure.layout["xaxis2"]["tickvals"][-1]
    )


def test_of_many_trials_the_best_are_kept_and_the_caption_says_so(
    study: Path, monkeypatch: pytest.MonkeyPatch
):
    done = pd.DataFrame(
        {"arm": ["a", "b"] * 3000, "trial": range(6000), "score": np.random.default_rng(0).permutation(6000)}
    )
    kept = thinned(done, 600)
    assert len(kept) <= 600
    for arm in "ab":
        best = done[done["arm"] == arm].nsmallest(100, "score")
        assert set(best.index) <= set(kept.index)
    assert kept["score"].max() > 5950
    monkeypatch.setattr("analysis.live.curves.MOST_LINES", 3)
    monkeypatch.setattr("analysis.live.coordinates.MOST_LINES", 6)
    for name, shown in (("curves", "15 of 18"), ("coordinates", "6 of 15")):
        assert shown in pictured(study, name)[1].note


def test_importances_are_bars_with_their_spread():
    rows = [("base", "fANOVA", "learning_rate", 0.7, 0.6, 0.9), ("base", "fANOVA", "<b>p</b>", 0.3, 0.1, 0.4)]
    table = pd.DataFrame(rows, columns=["arm", "method", "parameter", "importance", "low", "high"])
    (bars,) = importances(table).data
    assert bars["x"] == [0.7, 0.3]
    assert bars["y"] == ["learning_rate", "&lt;b&gt;p&lt;/b&gt;"]
    assert bars["error_x"]["array"] == pytest.approx([0.2, 0.1])


def test_an_unfinished_study_has_curves_and_nothing_of_tests(tmp_path: Path):
    records = read_records(write_study(tmp_path, "search"))
    found = tables(records)
    names = {drawing.name for drawing in drawings(records, found)}
    assert {"curves", "tradeoff", "coordinates"} <= names
    assert not [
        name for name in names if name.startswith(("predictions", "bland_altman", "optimism", "worst"))
    ]
    assert live_figure("predictions_nowhere", records, found) is None


@given(st.text())
def test_plain_text_holds_no_tag_entity_or_line_end(text: str):
    shown = plain(text)
    assert not {"<", ">", "\n", "\r", "\t"} & set(shown)
    assert shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == " ".join(text.split())


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(),
        lambda part: st.lists(part) | st.dictionaries(st.text(), part),
    )
)
def test_a_block_of_data_ends_where_it_should_and_is_what_went_in(content):
    block = data("name", content)
    inner = block.removeprefix('<script type="application/json" id="name">').removesuffix("</script>\n")
    assert not {"<", ">", "&", "\u2028"} & set(inner)
    assert json.loads(inner) == content


@given(st.integers(0, 300), st.integers(1, 40))
def test_evenly_keeps_order_ends_and_number(rows: int, most: int):
    kept = evenly(pd.DataFrame({"value": range(rows)}), most)["value"].tolist()
    assert len(kept) == min(rows, most)
    assert kept == sorted(kept)
    assert rows == 0 or kept[0] == 0


def test_numbers_are_rounded_and_gaps_are_no_numbers():
    assert rounded([1.234567, float("nan"), float("inf"), 2e-9]) == [1.2346, None, None, 2e-9]


@given(st.floats(1e-6, 1e6), st.floats(1.5, 1e4))
def test_a_logarithmic_axis_has_its_ticks_within(low: float, ratio: float):
    made = log_axis("", low, low * ratio)
    assert made["range"] == sorted(made["range"])
    assert all(low <= tick <= low * ratio for tick in made["tickvals"])
    assert len(made["tickvals"]) == len(made["ticktext"]) <= 16
