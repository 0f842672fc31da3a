"""Where the embedded broker's binary comes from when the home directory is of no use."""

import os
from pathlib import Path

import pytest

from features.errors import ConfigurationError
from streaming.brokers.process import free_port
from streaming.brokers.tansu import start_tansu


@pytest.mark.integration
def test_without_a_home_the_binary_is_copied_into_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", os.devnull)
    port = free_port()
    with start_tansu(tmp_path / "state", port=port) as broker:
        assert broker.bootstrap == f"127.0.0.1:{port}"
        assert Path(broker.process.args[0]).parent == tmp_path / "state"  # type: ignore[index]
        with pytest.raises(ConfigurationError, match=str(port)):
            start_tansu(tmp_path / "other", port=port)


def test_a_binary_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", str(tmp_path / "nothing"))
    with pytest.raises(ConfigurationError, match="CALF_TANSU_BIN"):
        start_tansu(tmp_path)
