"""The breakdown by stage reads what a worker exposes."""

import pytest
from prometheus_client import CollectorRegistry

from monitoring.exposition import render
from monitoring.metrics import Metrics
from monitoring.reading import read
from services.benchmarks.live.stages import breakdown


@pytest.fixture
def worker():
    return Metrics(CollectorRegistry())


def look(metrics):
    return read(render(metrics.registry)[0].decode())


def work(metrics, batches, size, **stage_ms):
    for _ in range(batches):
        metrics.batch_size(size)
        metrics.stages_ms(stage_ms)


def test_means_are_of_the_micro_batches_in_between(worker):
    work(worker, 5, 1, ledger=100.0)
    before = look(worker)
    work(worker, 10, 8, ledger=6.0, fold=2.0)
    found = breakdown([before], [look(worker)], 0.4)
    assert found.batch == 8.0
    assert list(found.stage_ms.items()) == [("ledger", pytest.approx(6.0)), ("fold", pytest.approx(2.0))]
    assert found.busy == pytest.approx(0.2)
    assert found.bottleneck.startswith("ledger: 75%")


def test_workers_are_added_up(worker):
    other = Metrics(CollectorRegistry())
    before = [look(worker), look(other)]
    work(worker, 3, 4, fold=1.0)
    work(other, 1, 8, fold=5.0)
    found = breakdown(before, [look(worker), look(other)], 0.01)
    assert (found.batch, found.stage_ms) == (5.0, {"fold": pytest.approx(2.0)})
    assert found.busy == pytest.approx(0.4)


def test_nothing_done_has_no_stages(worker):
    found = breakdown([look(worker)], [look(worker)], 1.0)
    assert (found.batch, found.stage_ms) == (0.0, {})
    assert found.bottleneck.startswith("none")
