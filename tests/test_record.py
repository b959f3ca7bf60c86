import pandas as pd
import pytest

from study import record
from study.badinput import BadInput
from study.record import (
    append_line,
    atomic,
    growing_frame,
    line_at,
    numbered_lines,
    read_distinct,
    read_frame,
    read_json,
    read_lines,
    write_frame,
    write_json,
)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.json"
    write_json(path, {"old": True})

    def write_half():
        with atomic(path) as stream:
            stream.write(b"half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_half()
    assert read_json(path) == {"old": True}
    assert list(tmp_path.iterdir()) == [path]


def test_frames_read_back_the_same(tmp_path):
    frame = pd.DataFrame({"arm": ["base", "set_sum"], "score": [1.5, float("nan")], "trial": [0, 1]})
    write_frame(tmp_path / "deep" / "trials.parquet", frame)
    pd.testing.assert_frame_equal(read_frame(tmp_path / "deep" / "trials.parquet"), frame)


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_a_frame_that_grows_is_the_frame_written_at_once(tmp_path, monkeypatch, batch):
    monkeypatch.setattr(record, "BATCH", batch)
    empty = pd.DataFrame({"arm": [], "score": []})
    frames = [pd.DataFrame({"arm": [arm] * 2, "score": [1.0, trial]}) for trial, arm in enumerate("abc")]
    with growing_frame(tmp_path / "grown.parquet") as add:
        for frame in (empty, *frames, empty):
            add(frame)
    whole = pd.concat(frames, ignore_index=True)
    path = tmp_path / "grown.parquet"
    pd.testing.assert_frame_equal(read_frame(path), whole)
    pd.testing.assert_frame_equal(
        read_frame(path, ["score"], arm="b"), whole.loc[2:3, ["score"]].reset_index(drop=True)
    )
    assert read_distinct(path, ["score"])["score"].tolist() == [1.0, 0.0, 2.0]


def test_a_frame_that_never_grew_is_empty_and_one_that_breaks_off_is_not_there(tmp_path):
    with growing_frame(tmp_path / "empty.parquet") as add:
        add(pd.DataFrame({"arm": [], "score": []}))
    assert list(read_frame(tmp_path / "empty.parquet").columns) == ["arm", "score"]

    def break_off():
        with growing_frame(tmp_path / "broken.parquet") as add:
            add(pd.DataFrame({"arm": ["a"]}))
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert not (tmp_path / "broken.parquet").exists()


def test_a_missing_table_says_what_to_run(tmp_path):
    with pytest.raises(BadInput, match="setsum resume"):
        read_frame(tmp_path / "trials.parquet")


def test_a_torn_last_line_is_passed_over_and_closed_off(tmp_path):
    path = tmp_path / "test_log.jsonl"
    append_line(path, {"opening": 1})
    with path.open("ab") as stream:
        stream.write(b'{"opening": 2, "tim')
    assert read_lines(path) == [{"opening": 1}]
    append_line(path, {"opening": 3})
    assert read_lines(path) == [{"opening": 1}, {"opening": 3}]
    assert [line_at(path, begin) for begin, _ in numbered_lines(path)] == read_lines(path)


def test_bad_input_is_one_line_and_survives_another_process():
    import pickle

    error = BadInput("3 is\ntoo many", where="file.csv", fix="Remove some")
    assert str(error) == "file.csv: 3 is too many. Remove some"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
