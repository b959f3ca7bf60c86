"""oof.parquet is rewritten stage by stage, also when a stage has nothing to say."""

import numpy as np
import pandas as pd
import pytest

from study.pipeline.oof import replaced_oof
from study.record import StudyDirectory, read_frame
from study.sweep.rows import no_oof, oof_frame


def rows(stage):
    return oof_frame(
        stage,
        "base",
        0,
        0,
        oof_TRM=np.ones((1, 1, 2)),
        presentations_T=(4,),
        scans=("a", "b"),
        labels_M=np.ones(2),
    )


def kept(directory, stage, frame):
    with replaced_oof(directory, stage) as keep:
        keep(frame)


@pytest.mark.parametrize("first", ["search", "confirm"])
def test_a_stage_replaces_its_own_rows_and_keeps_the_other_s(tmp_path, first):
    directory = StudyDirectory(tmp_path)
    second = {"search": "confirm", "confirm": "search"}[first]
    for stage in (first, second, first):
        kept(directory, stage, rows(stage))
    assert sorted(read_frame(directory.oof)["stage"]) == ["confirm"] * 2 + ["search"] * 2


def test_a_study_whose_predictions_are_all_gone_can_be_read_and_filled_again(tmp_path):
    directory = StudyDirectory(tmp_path)
    for stage in ("search", "confirm", "search"):
        kept(directory, stage, no_oof())
        assert len(read_frame(directory.oof, stage=stage)) == 0
    kept(directory, "confirm", rows("confirm"))
    pd.testing.assert_frame_equal(read_frame(directory.oof), rows("confirm"))
