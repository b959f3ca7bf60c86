"""The slices of the misjudged scans are those of the scans and places that matter."""

import numpy as np
import pandas as pd
from torch import nn

from study.cohort.rows import Rows
from study.pipeline.worst import PLANES, WORST, look_at_worst
from study.regression.augmentation import identity_transform
from study.regression.config import TrialConfig

GRID, LESION = (8, 9, 10), (5, 3, 7)


class CountsBright(nn.Module):
    def forward(self, images_BCDHW):
        return (images_BCDHW - 4).relu().sum(dim=(1, 2, 3, 4))


def tables(images, labels, seeds):
    predicted = (images - 4).clip(0).sum(axis=(1, 2, 3))
    base = {"cohort": "test", "arm": "base", "trial": 7, "scan": [f"s{i}" for i in range(len(labels))]}
    return [
        pd.DataFrame({**base, "seed": seed, "label": labels, "prediction": predicted + shift})
        for seed, shift in enumerate(seeds)
    ]


def test_the_largest_mean_errors_are_shown_worst_first_through_the_place_that_weighed_most():
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 1, (6, *GRID)).astype(np.float32)
    images[(slice(None), *LESION)] = 9
    labels = np.array([5.0, 15.0, 5.0, np.nan, -1.0, 8.0])
    spacings = np.tile([1.0, 2.0, 3.0], (6, 1))
    found = look_at_worst(
        tables(images, labels, [-1.0, 1.0]),
        Rows(images, np.arange(6)),
        spacings,
        [CountsBright()],
        identity_transform(),
        config=TrialConfig(),
        device="cpu",
    )
    assert list(found["scan"]) == [scan for scan in ("s1", "s4", "s5") for _ in PLANES]
    assert list(found["rank"]) == [rank for rank in range(1, WORST + 1) for _ in PLANES]
    np.testing.assert_allclose(found["prediction"], 5, rtol=1e-5)
    for _, row in found.iterrows():
        axis = PLANES.index(row["plane"])
        assert row["place"] == LESION[axis]
        shape = (row["height"], row["width"])
        across, up = (other for other in range(3) if other != axis)
        assert (row["width_mm"], row["height_mm"]) == (across + 1, up + 1)
        seen, weighed = (np.frombuffer(row[name], "<f4").reshape(shape) for name in ("image", "map"))
        assert seen[LESION[up], LESION[across]] == 9
        assert weighed[LESION[up], LESION[across]] == 9
        assert np.count_nonzero(weighed) == 1
