"""`ringfence train` and `ringfence recalibrate`, end to end on a small simulation."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from features.errors import DataError
from models import fitting
from services import recalibration
from services.champion import champion, policy, served
from services.cli.app import app
from services.state_directory import open_state
from streaming.simulator import Scenario, simulate

TIMES = 5


@pytest.fixture(scope="module")
def history():
    """Payments with many frauds, so that a small simulation holds enough of them."""
    return simulate(Scenario(transactions=24_000, seed=5, fraud_rate=0.03, days=120.0)).transactions


@pytest.fixture(scope="module")
def trained(history, tmp_path_factory):
    place = tmp_path_factory.mktemp("trained")
    first = history[history["event_time"] < history["event_time"].iloc[len(history) // 2]]
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
    """Return the history with its later half's frauds, or genuine payments, thinned: odds ``times`` what they were."""
    random = np.random.default_rng(1)
    late = history["event_time"] >= history["event_time"].iloc[len(history) // 2]
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
    began = history["event_time"].iloc[len(history) // 2].strftime("%Y-%m-%dT%H:%M:%S")
    result = run("recalibrate", "--data", "later.parquet", "--state", place, "--since", began)
    assert result["installed"]
    assert result["rule"] == "refit"
    assert (result["alias"], result["champion"]) == ("challenger", before.version)
    assert abs(result["in_the_large_before"]) > max(1, 3 * abs(result["in_the_large_after"]))
    assert 0.75 < result["slope_after"] < 1.25
    assert result["ece_after"] < 0.5 * result["ece_before"]
    after, after_policy = served(state, result["model_version"])
    assert after_policy == its_policy
    assert {name: after.manifest.files[name] for name in after.manifest.files if name != "probes.json"} == {
        name: before.manifest.files[name] for name in before.manifest.files if name != "probes.json"
    }  # the same trees
    assert after.manifest.data.end > before.manifest.data.end
    assert after.manifest.metrics["recalibration_after"]["slope"] == result["slope_after"]


def test_what_would_not_help_is_not_installed(history, trained, tmp_path, monkeypatch):
    place, _ = trained
    state = open_state(place, create=False)
    before = champion(state).version
    honest = recalibration.recalibrated
    monkeypatch.setattr(recalibration, "recalibrated", lambda *given: replace(honest(*given), helps=False))
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
