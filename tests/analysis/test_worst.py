"""The slices are drawn as they were written: the right way up, at their own proportions, maps over them."""

from pathlib import Path

import numpy as np
import pytest

from analysis.records import read_records
from analysis.worst import worst_figure


def test_each_scan_is_a_row_of_three_slices_and_three_maps(finished: Path):
    worst = read_records(finished).worst
    mine = worst[worst["arm"] == "base"]
    figure = worst_figure(mine)
    assert len(figure.axes) == 18
    for row, axis in zip(mine.head(3).to_dict("records"), figure.axes[:3], strict=True):
        (image,) = axis.images
        np.testing.assert_array_equal(image.get_array(), np.frombuffer(row["image"], "<f4").reshape(8, 9))
        assert image.origin == "lower"
        assert axis.get_aspect() == 2
    title = figure.axes[0].get_title(loc="left")
    assert title.startswith(f"{mine.iloc[0]['scan']}: label ")


def test_the_map_is_red_where_it_raises_blue_where_it_lowers_and_clear_where_it_is_nothing(finished: Path):
    worst = read_records(finished).worst
    rows = worst[(worst["arm"] == "base") & (worst["rank"] == 1)].copy()
    weights = np.zeros((8, 9), "<f4")
    weights[2, 3], weights[5, 6] = 4, -1
    rows["map"] = [weights.tobytes()] * 3
    figure = worst_figure(rows)
    over = np.asarray(figure.axes[3].images[1].get_array())
    red, blue = over[2, 3], over[5, 6]
    assert red[0] > 0.8 > red[2]
    assert blue[2] > 0.8 > blue[0]
    assert red[3] == pytest.approx(0.85)
    assert blue[3] == pytest.approx(0.85 / 2)
    assert over[..., 3].astype(bool).sum() == 2
    assert figure.axes[3].get_title(loc="left") == "± 4.0 a voxel"
