"""What holds for every test."""

import prometheus_client  # noqa: F401 (before Feast, see below)
import pytest


@pytest.fixture(autouse=True)
def single_process_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what importing Feast does: it tells prometheus_client to keep metrics in files for several processes."""
    for name in ("PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROCESS_DIR"):
        monkeypatch.delenv(name, raising=False)
