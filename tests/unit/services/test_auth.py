import threading
from pathlib import Path

import pytest

from features.errors import ConfigurationError
from services.auth import bearer_matches, load_or_create_token


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "token"


def test_a_token_is_made_once_and_for_its_owner_only(path: Path) -> None:
    token, created = load_or_create_token(path)
    assert created
    assert len(token) >= 43
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create_token(path) == (token, False)
    assert [entry.name for entry in path.parent.iterdir()] == ["token"]  # no draft left behind


def test_tokens_differ(tmp_path: Path) -> None:
    assert load_or_create_token(tmp_path / "a")[0] != load_or_create_token(tmp_path / "b")[0]


def test_processes_that_start_at_once_agree(path: Path) -> None:
    found: list[tuple[str, bool]] = []
    threads = [threading.Thread(target=lambda: found.append(load_or_create_token(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({token for token, _ in found}) == 1
    assert [created for _, created in found].count(True) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601])
def test_a_token_that_others_can_reach_is_refused(path: Path, mode: int) -> None:
    token, _ = load_or_create_token(path)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="by others") as caught:
        load_or_create_token(path)
    assert token not in str(caught.value)
    assert "chmod 600" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"two words that are long enough together", b"\xff" * 40])
def test_a_file_without_a_token_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        load_or_create_token(path)
    assert "Delete it" in caught.value.remedy
    assert path.read_bytes() == content


def test_what_is_no_file_is_refused(path: Path, tmp_path: Path) -> None:
    path.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_or_create_token(path)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        load_or_create_token(tmp_path / "absent" / "token")
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_or_create_token(dangling)


@pytest.mark.parametrize(
    ("authorization", "matches"),
    [
        ("Bearer right-token", True),
        ("bearer  right-token ", True),
        ("Bearer right-tokem", False),
        ("Bearer right-token2", False),
        ("Basic right-token", False),
        ("right-token", False),
        ("Bearer", False),
        ("Bearer é", False),
        ("", False),
    ],
)
def test_only_the_right_bearer_token_matches(authorization: str, matches: bool) -> None:
    assert bearer_matches(authorization, "right-token") is matches
