"""`ringfence train` and `ringfence recalibrate`, end to end on a small simulation."""

import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from features.errors import DataError
from features.replay import replay
from models import fitting
from models.train import train
from services import bundle_features, recalibration, training
from services.champion import champion, policy, served
from services.cli.app import app
from services.registry import read_registry
from services.state_directory import open_state
from streaming.simulator import Scenario, simulate

TIMES = 5
BEGAN = "2025-03-03T00:00:00"  # half of the history, and the moment from which things are different


@pytest.fixture(scope="module")
def history():
    """Payments with many frauds, so that a small simulation holds enough of them."""
    return simulate(Scenario(transactions=24_000, seed=5, fraud_rate=0.03, days=120.0)).transactions


@pytest.fixture(scope="module")
def trained(history, tmp_path_factory):
    place = tmp_path_factory.mktemp("trained")
    first = history[history["event_time"] < pd.Timestamp(BEGAN, tz="UTC")]
    first.to_parquet(place / "first.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        options = ("--trials", "2", "--compare-families", "--no-track")
        result = run("train", "--data", place / "first.parquet", "--state", place / "state", *options)
    return place / "state", result


def run(*arguments, status=0):
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == status, done.output
    return json.loads(done.stdout.splitlines()[-1])


def test_train_tells_windows_search_and_families(trained):
    _, result = trained
    assert list(result["windows"]) == ["train", "validation", "calibration", "test"]
    assert (result["search"]["trials"], result["search"]["complete"]) == (4, True)
    assert result["search"]["judged_on"] == "validation"
    assert set(result["search"]["chosen"]) == set(fitting.FAMILIES)
    assert result["metrics"]["search"]["validation_end"] < result["metrics"]["search"]["validation_start"] + 120 * 86400
    families = {row["family"]: row for row in result["families"]}
    assert list(families) == ["logistic_regression", "random_forest", "lightgbm", "xgboost", "blend"]
    low, high = families["lightgbm"]["average_precision_interval"]
    assert low < families["lightgbm"]["average_precision"] < high


def shifted(history, times):
    """Return the history with frauds, or genuine payments, thinned since `BEGAN`: odds ``times`` what they were."""
    random = np.random.default_rng(1)
    late = history["event_time"] >= pd.Timestamp(BEGAN, tz="UTC")
    fraud = history["is_fraud"] == 1
    share = np.where(fraud, min(1.0, times), min(1.0, 1 / times))
    kept = ~late.to_numpy() | (random.random(len(history)) < share)
    return history[kept].reset_index(drop=True)


def test_recalibrating_after_a_prior_shift_restores_what_it_broke(history, trained, tmp_path, monkeypatch):
    place, _ = trained
    state = open_state(place, create=False)
    before, its_policy = champion(state), policy(state)
    monkeypatch.chdir(tmp_path)
    shifted(history, TIMES).to_parquet("later.parquet")
    result = run("recalibrate", "--data", "later.parquet", "--state", place, "--since", BEGAN)
    assert result["installed"]
    assert result["rule"] == "refit"
    assert (result["alias"], result["champion"]) == ("challenger", before.version)
    assert abs(result["in_the_large_before"]) > max(1, 3 * abs(result["in_the_large_after"]))
    assert 0.75 < result["slope_after"] < 1.25
    assert result["ece_after"] < 0.5 * result["ece_before"]
    after, after_policy = served(state, result["model_version"])
    assert after_policy == its_policy
    same = {name for name, sha256 in before.manifest.files.items() if after.manifest.files[name] == sha256}
    assert same == before.manifest.files.keys() - {"probes.json", "fallback.json"}  # all trees, and the anomaly score
    assert after.fallback.head.calibration.slope == before.fallback.head.calibration.slope
    assert after.manifest.data.end > before.manifest.data.end
    assert after.manifest.metrics["recalibration_after"]["slope"] == result["slope_after"]
    # The fallback answers in the model's stead, and is moved by what moved the fraud rate for both.
    assert result["fallback"] == "moved"
    assert abs(result["fallback_in_the_large_before"]) > max(0.5, 3 * abs(result["fallback_in_the_large_after"]))
    features = replay(history.tail(500).reset_index(drop=True)).features
    assert after.fallback.score(features).mean() > 1.5 * before.fallback.score(features).mean()


def test_a_recalibrated_model_passes_the_gate_on_what_came_later_and_is_rolled_back(
    history, trained, tmp_path, monkeypatch
):
    place = shutil.copytree(trained[0], tmp_path / "state")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_MODEL_BUDGET_MS", "60000")  # how fast this machine is does not matter here
    shifted(history, TIMES).to_parquet("later.parquet")
    options = ("--data", "later.parquet", "--state", place)
    made = run("recalibrate", *options, "--since", BEGAN, "--until", "2025-04-15T00:00:00")
    assert made["installed"]
    stricter = run("model", "promote", "challenger", *options, status=1)
    assert stricter["failed"] == ["better"]  # it ranks the same
    found = run("model", "promote", "challenger", *options, "--at-least-as-good", "0.01")
    assert (found["promoted"], found["failed"]) == (True, [])
    assert found["report"]["frauds"] > 50
    state = open_state(place, create=False)
    assert champion(state).version == made["model_version"]
    # What it replaces would not have passed: the fraud rate has moved.
    back = run("model", "promote", made["champion"], *options, "--at-least-as-good", "0.01", status=1)
    assert back["failed"] == ["calibration_error"]
    assert run("model", "rollback", "--reason", "as an exercise", "--state", place) == {
        "champion": made["champion"],
        "before": made["model_version"],
    }


def test_a_better_model_is_promoted_as_soon_as_it_is_trained_and_its_history_is_folded_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_MODEL_BUDGET_MS", "60000")
    folded = []

    def fold(table, **named):
        folded.append(len(table))
        return replay(table, **named)

    monkeypatch.setattr(bundle_features, "replay", fold)
    history = simulate(Scenario(transactions=16_000, seed=8, fraud_rate=0.04, days=120.0))
    history.transactions.to_parquet("payments.parquet")
    options = ("--data", "payments.parquet", "--no-track", "--trials", "0", "--state", tmp_path / "state")
    monkeypatch.setattr(training, "train", partial(train, rounds=1))
    first = run("train", *options, "--split", "2025-02-10T00:00:00")
    monkeypatch.setattr(training, "train", partial(train, rounds=60))
    second = run("train", *options, "--split", "2025-03-20T00:00:00", "--promote")
    assert [check["name"] for check in second["gate"]["checks"] if not check["passed"]] == []
    [again] = folded  # the history with another future, for the leakage test
    assert again != len(history.transactions)
    assert (first["alias"], second["alias"]) == ("champion", "champion")
    changes = read_registry(open_state(tmp_path / "state", create=False)).history
    assert [(one.action, one.after) for one in changes if one.alias == "champion"] == [
        ("install", first["model_version"]),
        ("promote", second["model_version"]),
    ]


def test_what_would_not_help_is_not_installed(history, trained, tmp_path, monkeypatch):
    place, _ = trained
    state = open_state(place, create=False)
    before = champion(state).version
    honest = recalibration.recalibrated
    monkeypatch.setattr(
        recalibration, "recalibrated", lambda *given, **rule: replace(honest(*given, **rule), helps=False)
    )
    monkeypatch.chdir(tmp_path)
    shifted(history, 1.0).to_parquet("later.parquet")
    result = run("recalibrate", "--data", "later.parquet", "--state", place, "--since", "2025-01-01")
    assert not result["installed"]
    assert result["model_version"] == champion(state).version == before


def test_data_without_fraud_are_refused(history, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    history[history["is_fraud"] != 1].head(2000).to_parquet("honest.parquet")
    with pytest.raises(DataError, match="contain no fraud"):
        run("train", "--data", "honest.parquet", "--state", tmp_path / "state", "--trials", "0")
