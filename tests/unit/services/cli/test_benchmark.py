"""`ringfence benchmark`, end to end on small simulations."""

import importlib
import json

import pytest
from typer.testing import CliRunner

from features.catalogue import NAMES
from features.errors import ConfigurationError
from models.fitting import FAMILIES
from services import extras
from services.benchmarks import feast_scalars, models, online
from services.benchmarks.gnn_graph import random_graph
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


def test_gnn_prints_one_object_with_every_figure(monkeypatch):
    pytest.importorskip("torch")
    gnn = importlib.import_module("services.benchmarks.gnn")
    monkeypatch.setattr(gnn, "CALLS", 2)
    monkeypatch.setattr(gnn, "LOOP_NODES", 5)
    monkeypatch.setattr(gnn.torch.cuda, "is_available", lambda: False)
    done = CliRunner().invoke(app, ["benchmark", "gnn", "--edges", "20000", "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["edges"] == pytest.approx(20_000, rel=0.05)
    times = ("head_ms_1", "head_ms_64", "live_ms_1", "live_ms_64", "embed_edges_per_s", "ratio_to_node_loop")
    assert all(result[name] > 0 for name in times)
    graph = random_graph(20_000, 0)
    assert result["nodes"] == graph.starts[-1]
    assert result["graph_mb_per_million_edges"] == round(graph.memory_bytes() / graph.edges, 1)
    assert result["peak_mib"] > 50
    assert "cuda" not in result


def test_gnn_without_the_extra_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(extras, "GNN", ("torch", "no_such_package"))
    done = CliRunner().invoke(app, ["benchmark", "gnn"])
    assert isinstance(done.exception, ConfigurationError)
    assert "pip install 'ringfence[gnn]'" in done.exception.remedy


def test_a_person_sees_a_row_for_each_size_of_micro_batch():
    assert rows({"a": 1, "b": {"64": {"p50": 2.0}}, "versions": {"numpy": "2"}}) == {
        "a": 1,
        "b 64": {"p50": 2.0},
        "versions": {"numpy": "2"},
    }
