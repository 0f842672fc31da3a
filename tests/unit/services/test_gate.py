from datetime import UTC, datetime
from functools import cache

import numpy as np
import pandas as pd
import pytest

from features.errors import BundleError, ConfigurationError, DataError, StateError
from services import gate
from services.gate import run_gate, select
from services.promotion import promote
from services.registry import read_registry
from services.state_directory import open_state
from streaming.simulator import Scenario, simulate
from tests.unit.services.trained import install_editions

TRAINED_UNTIL = datetime(2025, 1, 4, tzinfo=UTC)


@cache
def payments():
    return simulate(Scenario(transactions=4000, seed=3, fraud_rate=0.03)).transactions


@pytest.fixture
def state(tmp_path):
    return open_state(tmp_path / "state")


def silent(_what):
    return lambda _done, _total: None


def ask(state, version, **options):
    return run_gate(state, version, payments(), data="payments", step=silent, budget_ms=1000, **options)


def outcome(found):
    return {check.name: check.passed for check in found.checks}


def test_the_gate_runs_every_check_on_rows_that_no_model_has_seen(state):
    first, second = install_editions(state, 2, end=TRAINED_UNTIL)
    found = ask(state, second)
    assert list(outcome(found)) == [
        "evidence",
        "better",
        "calibration_slope",
        "calibration_error",
        "segments",
        "leakage",
        "latency_1",
        "latency_64",
        "bundle",
    ]
    assert (found.candidate, found.champion) == (second, first)
    assert found.start >= TRAINED_UNTIL
    assert found.left_out["trained on"] == (payments()["event_time"] < TRAINED_UNTIL).sum() > 0
    assert found.rows + sum(found.left_out.values()) == len(payments())
    passed = outcome(found)
    # The editions rank alike and were trained on noise.
    assert not passed["better"]
    assert not passed["calibration_error"]
    assert passed["leakage"]
    assert passed["segments"]
    assert read_registry(state).champion == first


def test_a_slow_model_fails_the_gate(state, monkeypatch):
    _, second = install_editions(state, 2, end=TRAINED_UNTIL)
    monkeypatch.setattr(gate, "typical_ms", lambda _bundle, _rows, size: 2.0 * size)
    passed = outcome(ask(state, second))
    assert passed["latency_1"]
    found = run_gate(state, second, payments(), data="x", step=silent, budget_ms=100)
    assert not outcome(found)["latency_64"]


def test_a_leaking_feature_fails_the_gate(state, monkeypatch):
    _, second = install_editions(state, 2, end=TRAINED_UNTIL)

    def leak(table, features, moment, **named):
        found = honest_test(table, features, moment, **named)
        return type(found)(found.features, 3, ("amount",), found.moved)

    honest_test = gate.leakage_test
    monkeypatch.setattr(gate, "leakage_test", leak)
    assert not outcome(ask(state, second))["leakage"]


def test_a_score_that_moves_with_the_future_fails_the_gate(state, monkeypatch):
    _, second = install_editions(state, 2, end=TRAINED_UNTIL)

    def moved(table, features, moment, **named):
        found = honest_test(table, features, moment, **named)
        return type(found)(found.features + np.float32(1e6), 0, (), found.moved)

    honest_test = gate.leakage_test
    monkeypatch.setattr(gate, "leakage_test", moved)
    assert not outcome(ask(state, second))["leakage"]


def test_a_damaged_candidate_fails_before_anything_is_scored_and_cannot_be_forced(state):
    first, second = install_editions(state, 2, end=TRAINED_UNTIL)
    (state.bundles / second / "model.txt").write_text("garbage")
    found = ask(state, second)
    assert outcome(found) == {"bundle": False}
    assert "hash" in found.checks[0].sentence
    with pytest.raises(StateError, match="bundle"):
        promote(state, found, reason="hurry", force=True)
    assert read_registry(state).champion == first


def test_a_damaged_champion_is_a_failed_check_not_a_way_around_the_gate(state):
    first, second = install_editions(state, 2, end=TRAINED_UNTIL)
    (state.bundles / first / "model.txt").write_text("garbage")
    passed = outcome(ask(state, second))
    assert passed["champion"] is False
    assert "better_than_chance" in passed


def test_a_champion_of_other_features_is_nothing_to_compare_with(state, monkeypatch):
    _, second = install_editions(state, 2, end=TRAINED_UNTIL)
    real = gate.bundle_of

    def of_other_features(directory, version):
        if version != second:
            raise BundleError("trained on other features")
        return real(directory, version)

    monkeypatch.setattr(gate, "bundle_of", of_other_features)
    passed = outcome(ask(state, second))
    assert "champion" not in passed
    assert "better_than_chance" in passed


def test_the_champion_is_not_promoted_again(state):
    first, _ = install_editions(state, 2)
    with pytest.raises(ConfigurationError, match="already"):
        ask(state, first)


def test_rows_are_selected_for_reasons(state):
    install_editions(state, 1, end=TRAINED_UNTIL)
    bundle = gate.bundle_of(state, read_registry(state).champion)
    table = payments().copy()
    table["label_time"] = table["event_time"] + pd.Timedelta(days=1)
    newest = table["event_time"].iloc[-1]
    table = table[table["label_time"] <= newest].reset_index(drop=True)  # as of the end, the last day has no labels
    table.loc[table.index[-200:], "is_fraud"] = pd.NA
    chosen = select(table, [bundle], pd.Timestamp("2025-01-05", tz="UTC"))
    assert table["event_time"].iloc[chosen.rows[0]] >= pd.Timestamp("2025-01-05", tz="UTC")
    assert chosen.left_out["trained on"] > 0
    assert chosen.left_out["before --since"] > 0
    assert chosen.left_out["unlabelled"] + chosen.left_out["labels not in yet"] >= 200
    assert len(chosen.rows) + sum(chosen.left_out.values()) == len(table)
    assert table["is_fraud"].iloc[chosen.rows].notna().all()


def test_an_immature_tail_is_left_out(state):
    """Frauds are known at once, genuine payments after five days: the newest labelled rows are nearly all fraud."""
    install_editions(state, 1, end=TRAINED_UNTIL)
    bundle = gate.bundle_of(state, read_registry(state).champion)
    table = payments().copy()
    delay = np.where(table["is_fraud"] == 1, pd.Timedelta(0), pd.Timedelta(days=2))
    table["label_time"] = (table["event_time"] + pd.to_timedelta(delay)).astype(table["event_time"].dtype)
    newest = table["event_time"].iloc[-1]
    waiting = table["label_time"] > newest
    table.loc[waiting, "is_fraud"], table.loc[waiting, "label_time"] = pd.NA, pd.NaT
    chosen = select(table, [bundle], None)
    assert table["event_time"].iloc[chosen.rows[-1]] <= newest - pd.Timedelta(days=2)
    assert chosen.left_out["labels not in yet"] >= waiting.sum()


def test_data_of_the_training_alone_are_refused(state):
    _, second = install_editions(state, 2, end=datetime(2030, 1, 1, tzinfo=UTC))
    with pytest.raises(DataError, match="4,000 trained on"):
        ask(state, second)
