"""`ringfence benchmark features`, end to end on a small simulation."""

import json

import pytest
from typer.testing import CliRunner

from features.catalogue import NAMES
from services.benchmarks import feast_scalars, online
from services.benchmarks.pandas_windows import WINDOW_NAMES
from services.cli.app import app
from services.cli.benchmark import rows

KEYS = """backfill_per_s pandas_per_s ratio transactions features pandas_transactions pandas_features pandas_agrees
    peak_mib fold_us read_us write_us scalar_read_us scalar_write_us state_bytes cpu_count versions""".split()


@pytest.fixture
def few_calls(monkeypatch):
    monkeypatch.setattr(online, "CALLS", 5)
    monkeypatch.setattr(feast_scalars, "CALLS", 2)


def test_features_prints_one_object_with_every_figure(few_calls):
    done = CliRunner().invoke(app, ["benchmark", "features", "--transactions", "2000", "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    assert sorted(result) == sorted(KEYS)
    assert (result["transactions"], result["pandas_transactions"]) == (2000, 2000)
    assert (result["features"], result["pandas_features"]) == (len(NAMES), len(WINDOW_NAMES))
    assert result["pandas_agrees"] == 1.0
    for name in ("fold_us", "read_us", "write_us"):
        assert list(result[name]) == ["1", "16", "64"]
    for name in ("scalar_read_us", "scalar_write_us"):
        assert list(result[name]) == ["1", "64"]
        assert set(result[name]["64"]) == {"p50", "p99", "per_transaction", "times_packed"}
    assert set(result["state_bytes"]) == {"card", "merchant", "device", "ip", "customer", "total_mib"}


def test_a_person_sees_a_row_for_each_size_of_micro_batch():
    assert rows({"a": 1, "b": {"64": {"p50": 2.0}}, "versions": {"numpy": "2"}}) == {
        "a": 1,
        "b 64": {"p50": 2.0},
        "versions": {"numpy": "2"},
    }
