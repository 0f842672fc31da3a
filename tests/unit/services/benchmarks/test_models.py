"""How the timings of models are taken and compared."""

import numpy as np

from services.benchmarks import models
from services.benchmarks.models import compared, measure


def test_ratios_are_of_medians_of_the_same_size():
    sizes = {"1": {"p50": 10.0, "p99": 11.0}, "64": {"p50": 90.0, "p99": 95.0}}
    baseline = {"1": {"p50": 4.0}, "64": {"p50": 100.0}}
    found = compared({"lightgbm": sizes}, baseline)
    assert found["lightgbm"]["1"] == {"p50": 10.0, "p99": 11.0, "times_baseline": 2.5}
    assert found["lightgbm"]["64"]["times_baseline"] == 0.9


def test_every_size_is_called_so_often_on_rows_that_change(monkeypatch):
    monkeypatch.setattr(models, "CALLS", 5)
    rows = np.arange(256, dtype=np.float32).reshape(128, 2)
    called, told = [], []
    found = measure({"sum": called.append}, rows, lambda *done: told.append(done))
    assert [len(batch) for batch in called] == [1] * 6 + [64] * 6  # the first is not timed
    assert {batch[0, 0] for batch in called[7:]} == {0.0, 128.0}
    assert list(found["sum"]) == ["1", "64"]
    assert found["sum"]["64"]["per_transaction"] <= found["sum"]["64"]["p99"]
    assert told == [(1, 1)]


def test_a_slow_call_ends_early(monkeypatch):
    monkeypatch.setattr(models, "SECONDS", 0.0)
    called = []
    measure({"slow": called.append}, np.zeros((64, 1), np.float32), lambda *_: None)
    assert len(called) == 4  # one to warm up and one that counts, of each size
