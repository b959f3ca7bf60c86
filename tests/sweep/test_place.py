"""A place on a disk and a place in a bucket: the same files, the same refusals."""

import pytest

from study.badinput import BadInput
from study.settings import read_settings
from study.sweep.place import below, check_place, folders, opened, read, remove, remove_folder, write

SECRET = "hunter2hunter2"


@pytest.fixture(params=["disk", "file URI", "bucket"])
def place(request, tmp_path):
    if request.param == "bucket":
        return request.getfixturevalue("bucket")
    folder = tmp_path / "some #1 folder"
    return str(folder) if request.param == "disk" else folder.as_uri()


def test_files_are_written_listed_and_removed_alike(place):
    check_place(place)
    assert folders(below(place, "arm"), "run-") == []
    for run in ("run-0002", "run-0001", "other"):
        write(below(place, "arm", run, "trial-00003", "state.pt"), run.encode())
    assert folders(below(place, "arm"), "run-") == ["run-0001", "run-0002"]
    assert read(below(place, "arm", "run-0002", "trial-00003", "state.pt")) == b"run-0002"
    remove(below(place, "arm", "run-0002", "trial-00003", "state.pt"))
    remove(below(place, "arm", "run-0002", "trial-00003", "state.pt"))
    with pytest.raises(FileNotFoundError):
        read(below(place, "arm", "run-0002", "trial-00003", "state.pt"))
    remove_folder(below(place, "arm", "run-0001"))
    remove_folder(below(place, "arm", "never"))
    assert "run-0001" not in folders(below(place, "arm"), "run-")


def test_a_uri_keeps_its_parameters_at_its_end(bucket, monkeypatch):
    import os

    endpoint = os.environ["AWS_ENDPOINT_URL"]
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    place = f"{bucket}/mine/?endpoint_override={endpoint}"
    assert below(place, "a", "b") == f"{bucket}/mine/a/b?endpoint_override={endpoint}"
    check_place(place)
    write(below(place, "a"), b"1")
    assert opened(below(place, "a"))[1] == "setsum-test/mine/a"
    assert read(below(place, "a")) == b"1"


@pytest.mark.parametrize(
    "uri",
    [
        "s3://no-such-bucket/x",
        "nonsense://x/y",
        "s3://",
        "s3://setsum-test/x?endpoint=1",
        "file://elsewhere/folder",
        "file://",
    ],
)
def test_a_place_that_cannot_be_written_to_is_one_line_before_anything_is_made(uri, bucket, refuse, tmp_path):
    line = refuse("run", "--storage", uri, "--out", tmp_path / "study")
    assert uri in line
    assert "cannot be used as storage" in line


def test_a_server_that_is_gone_is_one_line(aws, monkeypatch, refuse):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "cannot be used as storage" in refuse("run", "--storage", "s3://bucket-of-mine/x")


def test_a_folder_under_a_file_is_no_storage(tmp_path, refuse):
    (tmp_path / "file").touch()
    assert "cannot be used as storage" in refuse("run", "--storage", tmp_path / "file" / "below")


@pytest.mark.parametrize(
    "uri", [f"s3://key:{SECRET}@bucket/prefix", f"s3://bucket/prefix?secret_key={SECRET}&scheme=http"]
)
def test_a_key_in_a_uri_is_refused_without_being_shown(uri, refuse):
    for arguments in (["--storage", uri], [f"resources.storage={uri}"]):
        line = refuse("run", *arguments)
        assert "holds a key" in line
        assert SECRET not in line


def test_a_relative_folder_is_the_file_s_or_the_command_s(tmp_path, monkeypatch):
    (tmp_path / "study.yaml").write_text("format: 1\nresources: {storage: states}\n")
    assert read_settings(tmp_path / "study.yaml").resources.storage == str(tmp_path / "states")
    (tmp_path / "study.yaml").write_text("format: 1\nresources: {storage: s3://bucket/states}\n")
    assert read_settings(tmp_path / "study.yaml").resources.storage == "s3://bucket/states"
    with pytest.raises(BadInput, match="cannot be used as storage"):
        check_place("s3:///states")
