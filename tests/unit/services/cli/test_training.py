"""`ringfence train` and `ringfence evaluate`, end to end on a small simulation: card, MLflow, unseen rows."""

import json
from functools import partial

import pandas as pd
import pytest
from typer.testing import CliRunner

from models import train as training_module
from services import extras
from services import training as training_service
from services.champion import champion_version
from services.cli.app import app
from services.cli.evaluate import readable
from services.state_directory import open_state

SPLIT = "2025-01-22"
# MLflow meets SQLAlchemy with calls that will go away.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::sqlalchemy.exc.SADeprecationWarning"),
]


def run(*arguments, status=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == status, (done.output, done.exception)
    return done


def last_json(done):
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(autouse=True, scope="module")
def small_models():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_service, "train", partial(training_module.train, rounds=25))
        yield


@pytest.fixture(scope="module")
def payments(tmp_path_factory):
    path = tmp_path_factory.mktemp("payments") / "payments.parquet"
    run("simulate", "--transactions", 6000, "--fraud-rate", 0.05, "--seed", 3, "--days", 35, "--out", path)
    return path


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    return tmp_path_factory.mktemp("states") / "state"


@pytest.fixture(scope="module")
def trained(payments, state):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return last_json(run("train", "--data", payments, "--split", SPLIT, "--seed", 4, "--state", state, "--json"))


def test_the_card_is_written_and_named(trained, state):
    assert trained["card"] == str(state / "cards" / f"{trained['model_version']}.html")
    html = (state / "cards" / f"{trained['model_version']}.html").read_text()
    assert trained["model_version"] in html
    assert "--seed 4 --split 2025-01-22T00:00:00" in html
    assert "Not measured on unseen data" not in html


def test_the_run_is_in_mlflow_with_all_that_belongs_to_it(trained, state):
    from mlflow import MlflowClient  # noqa: PLC0415 takes seconds to import

    client = MlflowClient(f"sqlite:///{state}/mlflow.db")
    run = client.get_run(trained["run"])
    assert run.info.status == "FINISHED"
    assert run.data.tags["bundle_version"] == trained["model_version"]
    assert not [tag for tag in run.data.tags if "git" in tag]
    found = run.data.metrics
    assert found["test.average_precision"] == pytest.approx(trained["metrics"]["test"]["average_precision"])
    assert found["test.average_precision.low"] < found["test.average_precision"] < found["test.average_precision.high"]
    assert found["candidates.xgboost_average_precision"] > 0
    manifest = json.loads((state / "bundles" / trained["model_version"] / "manifest.json").read_text())
    assert run.data.params["data_sha256"] == manifest["data"]["sha256"]
    assert run.data.params["seed"] == "4"
    assert run.data.params["library_lightgbm"] == manifest["libraries"]["lightgbm"]
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {
        "manifest.json", "model_card.html", "plots", "policy.json", "trials.json",
    }  # fmt: skip
    (version,) = client.search_model_versions("name = 'ringfence'")
    assert version.source == (state / "bundles" / trained["model_version"]).as_uri()
    assert version.tags == {"bundle_version": trained["model_version"]}


def test_evaluation_leaves_out_what_the_model_was_made_from(trained, payments, state, tmp_path):
    card = tmp_path / "deep" / "card.html"
    options = ("--data", payments, "--state", state, "--json")
    found = last_json(
        run("evaluate", *options, "--campaigns", payments.with_name("payments.truth.parquet"), "--card", card)
    )
    manifest = json.loads((state / "bundles" / trained["model_version"] / "manifest.json").read_text())
    table = pd.read_parquet(payments)
    seen = int((table["event_time"] < pd.Timestamp(manifest["data"]["end"])).sum())
    assert found["left_out"] == {"training_window": seen, "earlier": 0, "unlabelled": 0}
    assert found["n"] == len(table) - seen
    for name in """auc average_precision card_precision_at_100 recall_at_fpr_0.1pct recall_at_fpr_0.5pct
        recall_at_fpr_1pct ece brier value_detection_rate money_saved money_saved_per_1000""".split():
        low, high = found[f"{name}_interval"]
        assert low <= high
        assert isinstance(found[name], float)
    assert found["currency"] == "EUR"
    assert sum(kind["n"] for kind in found["recall_by_campaign"].values()) >= found["n_fraud"]
    assert found["card"] == str(card)
    assert "By kind of fraud" in card.read_text()
    earlier = last_json(run("evaluate", *options, "--since", "2025-01-02"))
    assert (earlier["n"], earlier["auc"]) == (found["n"], found["auc"])  # asking for seen rows does not give them


def test_a_person_reads_each_metric_with_its_interval():
    rows = readable(
        {
            "auc": 0.9,
            "auc_interval": [0.8, 0.95],
            "money_saved_interval": [1.0, 2.0],
            "recall_by_campaign": {"ring": {"n": 3}},
        }
    )
    assert rows == {"auc": "0.9000 (0.8000 to 0.9500)", "money_saved_interval": [1.0, 2.0], "ring frauds": {"n": 3}}


def test_evaluation_refuses_what_cannot_be(trained, payments, state, tmp_path):
    assert "fdh" in run("evaluate", "--data", payments, "--protocol", "other", status=2).output
    assert (
        "--campaigns" in run("evaluate", "--data", payments, "--protocol", "fdh", "--card", "x.html", status=2).output
    )
    done = CliRunner().invoke(
        app, ["evaluate", "--data", str(payments), "--state", str(state), "--campaigns", "none.csv"]
    )
    assert "cannot be read" in str(done.exception)


def test_training_without_tracking_still_writes_the_card(payments, tmp_path):
    done = last_json(run("train", "--data", payments, "--no-track", "--state", tmp_path / "s", "--json"))
    assert done["run"] is None
    assert (tmp_path / "s" / "cards" / f"{done['model_version']}.html").exists()
    assert not (tmp_path / "s" / "mlflow.db").exists()


def test_training_works_without_the_extra_and_says_so(payments, tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "TRAIN", ("no_such_package",))
    done = run("train", "--data", payments, "--state", tmp_path / "s", "--json")
    assert (last_json(done)["run"], last_json(done)["card"]) == (None, None)
    assert "pip install 'ringfence[train]'" in done.stderr
    assert last_json(done)["search"] is None
    written = {path.name for path in (tmp_path / "s").iterdir()}
    assert written == {".registry.lock", "bundles", "logs", "policies", "registry.json", "state.json"}
    refused = CliRunner().invoke(
        app, ["evaluate", "--data", str(payments), "--state", str(tmp_path / "s"), "--card", str(tmp_path / "c.html")]
    )
    assert "extra `train`" in str(refused.exception)


def test_a_tracking_that_fails_does_not_lose_the_model(payments, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://nowhere")
    done = run("train", "--data", payments, "--state", tmp_path / "s", "--json")
    assert last_json(done)["run"] is None
    assert last_json(done)["card"] is not None
    assert "The model is installed, but not tracked" in done.stderr
    assert champion_version(open_state(tmp_path / "s")) == last_json(done)["model_version"]
