"""`ringfence benchmark`, end to end on small simulations."""

import json

import pytest
from typer.testing import CliRunner

from features.catalogue import NAMES
from models.fitting import FAMILIES
from services.benchmarks import feast_scalars, models, online
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


def test_models_prints_one_object_with_every_figure(monkeypatch):
    monkeypatch.setattr(models, "CALLS", 2)
    monkeypatch.setattr(models, "FOREST_TREES", 5)
    done = CliRunner().invoke(app, ["benchmark", "models", "--transactions", "8000", "--rounds", "10", "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result["families_us"]) == {*FAMILIES, "blend", "logistic_regression", "random_forest"}
    assert set(result["served_us"]) == {"score", "explain", "anomaly", "fallback_score", "fallback_explain"}
    for figures in (*result["families_us"].values(), *result["served_us"].values()):
        assert set(figures) == {"1", "64"}
        assert set(figures["64"]) == {"p50", "p99", "per_transaction", "times_baseline"}
    assert result["families_us"][result["baseline"]]["1"]["times_baseline"] == 1.0
    assert (result["transactions"], result["rounds"]) == (8000, 10)


def test_novelty_prints_one_object_with_every_figure():
    asked = (
        "--transactions 8000 --fraud-rate 0.03 --rounds 10 --kind stolen_card --kind account_takeover --json".split()
    )
    done = CliRunner().invoke(app, ["benchmark", "novelty", *asked])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result) == {"transactions", "budget", "anomaly_budget", "held_out", "mean"}
    assert set(result["held_out"]) == {"stolen_card", "account_takeover"}
    for name, mean in result["mean"].items():
        assert mean == pytest.approx(sum(kind[name] for kind in result["held_out"].values()) / 2, abs=1e-4)


def test_novelty_names_the_kinds_there_are():
    done = CliRunner().invoke(app, ["benchmark", "novelty", "--kind", "phishing"])
    assert done.exit_code == 2
    assert "phishing" in done.output
    assert "mule_ring" in done.output


def test_a_person_sees_a_row_for_each_size_of_micro_batch():
    assert rows({"a": 1, "b": {"64": {"p50": 2.0}}, "versions": {"numpy": "2"}}) == {
        "a": 1,
        "b 64": {"p50": 2.0},
        "versions": {"numpy": "2"},
    }
