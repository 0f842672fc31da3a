import pytest

from features import durable
from features.durable import replace_file, sync


def test_a_file_is_made_or_replaced_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "policy.json"
    for content in (b"first", b"second"):
        replace_file(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "policy.json"
    replace_file(path, b"old")

    def no_space(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "sync", no_space)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"


def test_files_and_directories_can_be_synced(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    sync(tmp_path / "file")
    sync(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "none")
