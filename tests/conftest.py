"""What holds for every test."""

import os
from collections.abc import Iterator

import prometheus_client  # noqa: F401 (before Feast, see below)
import pytest

_NAMES = ("PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROCESS_DIR", "prometheus_multiproc_dir")


def _single_process_metrics() -> None:
    """Undo what importing Feast does: it tells prometheus_client to keep metrics in files for several processes."""
    for name in _NAMES:
        os.environ.pop(name, None)


def pytest_collection_finish() -> None:
    """Test modules have been imported, and Feast with some of them."""
    _single_process_metrics()


@pytest.fixture(autouse=True)
def single_process_metrics() -> Iterator[None]:
    """A test may have imported Feast."""
    yield
    _single_process_metrics()
