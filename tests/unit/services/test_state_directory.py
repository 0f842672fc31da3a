import threading
from pathlib import Path

import pytest

from features.errors import StateError
from services.state_directory import StateDirectory, open_state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "state"


def test_a_new_directory_is_its_owners_and_can_be_opened_again(path: Path) -> None:
    state = open_state(path)
    assert state.path.stat().st_mode & 0o777 == 0o700
    assert sorted(entry.name for entry in path.iterdir()) == ["logs", "state.json"]
    assert open_state(path) == open_state(path, create=False) == state


def test_every_path_is_inside_and_has_its_own_name(path: Path) -> None:
    state = open_state(path)
    names = [name for name, value in vars(StateDirectory).items() if isinstance(value, property)]
    paths = [getattr(state, name) for name in names]
    assert all(each.parent == state.path for each in paths)
    assert len(set(paths)) == len(paths) >= 6


def test_an_empty_directory_is_taken_and_closed_to_others(path: Path) -> None:
    path.mkdir(parents=True, mode=0o755)
    (path / ".state-0123").write_bytes(b"{")  # a crash while the header was being written
    assert open_state(path).path.stat().st_mode & 0o777 == 0o700


def test_a_relative_path_does_not_move_with_the_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.mkdir(parents=True)
    monkeypatch.chdir(path)
    assert open_state(Path("here")).path == path / "here"


def test_nothing_is_made_unless_asked(path: Path) -> None:
    with pytest.raises(StateError, match="no state"):
        open_state(path, create=False)
    assert not path.exists()


def test_a_directory_with_something_else_in_it_is_left_alone(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "thesis.txt").write_text("mine")
    with pytest.raises(StateError, match="not a Ringfence state directory") as caught:
        open_state(path)
    assert "--state" in caught.value.remedy
    assert [entry.name for entry in path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "damaged"),
        (b'{"owner":"ringfence"', "damaged"),
        (b'{"owner":"ringfence"}', "damaged"),
        (b'{"owner":"ringfence","format":"1"}', "damaged"),
        (b'{"owner":"another","format":1}', "not written by Ringfence"),
        (b'{"owner":"ringfence","format":0}', "not written by Ringfence"),
        (b'{"owner":"ringfence","format":2}', "format 2"),
    ],
)
def test_a_header_that_is_not_ours_is_refused_with_a_way_out(path: Path, header: bytes, message: str) -> None:
    open_state(path)
    (path / "state.json").write_bytes(header)
    with pytest.raises(StateError, match=message) as caught:
        open_state(path)
    assert "--state" in caught.value.remedy
    assert (path / "state.json").read_bytes() == header


def test_what_is_no_directory_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("a file")
    for where in (path, path / "below"):
        with pytest.raises(StateError) as caught:
            open_state(where)
        assert caught.value.remedy


def test_processes_that_start_at_once_agree(path: Path) -> None:
    failures: list[StateError] = []

    def start() -> None:
        try:
            open_state(path)
        except StateError as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
