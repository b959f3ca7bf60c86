"""What benchmarks say must be right; what they measure is not tested."""

from importlib import import_module

import numpy as np
import pytest

from benchmarks.__main__ import main, names
from benchmarks.measure import Row, compared, exponent, interleaved


@pytest.mark.parametrize("name", names())
def test_every_benchmark_can_be_imported_without_its_peers(name):
    assert callable(import_module(f"benchmarks.{name}").measure)


def test_an_unknown_name_is_refused_with_those_there_are(capsys):
    assert main(["speed"]) == 2
    assert "no benchmark called speed" in (said := capsys.readouterr().out)
    assert "step" in said


def test_a_ratio_is_the_median_over_rounds_of_what_ran_side_by_side():
    ours, other = np.array([1.0, 10.0, 2.0]), np.array([3.0, 20.0, 8.0])
    slower = compared("x", other, "ours", ours, target="<= 3")
    assert (slower.ratio, slower.reached) == (3.0, True)
    faster = compared("x", ours, "other", other, target=">= 3.1", faster=True)
    assert (faster.ratio, faster.reached) == (3.0, False)
    assert Row(what="x", ours=1.0, unit="s").reached is None


def test_every_candidate_runs_once_a_round_in_turning_order():
    ran = []
    seconds = interleaved({name: lambda name=name: ran.append(name) for name in "ab"}, rounds=2, warmup=1)
    assert "".join(ran) == "ba" + "ab" + "ba"
    assert [len(values) for values in seconds.values()] == [2, 2]


def test_an_exponent_is_the_slope_of_the_logarithms():
    assert exponent([1, 2, 4, 8], [3, 12, 48, 192]) == pytest.approx(2)
