import json

import pytest
from typer.testing import CliRunner

from features.catalogue import FEATURES, NAMES
from features.feature import FRESHNESS
from features.stores.memory import MemoryStore
from services.cli import features as commands
from services.cli.app import app
from streaming.simulator import Scenario, simulate


def run(*arguments, columns=160, status=0):
    result = CliRunner().invoke(app, ["features", *arguments], env={"COLUMNS": str(columns)})
    assert result.exit_code == status, result.output
    return result.stdout


def last_json(output):
    return json.loads(output.splitlines()[-1])


@pytest.mark.parametrize("arguments", [("--json",), ("list", "--json")])
def test_the_whole_catalogue_as_json(arguments):
    found = last_json(run(*arguments))
    assert found["count"] == len(FEATURES)
    assert [entry["name"] for entry in found["features"]] == list(NAMES)
    for entry, feature in zip(found["features"], FEATURES, strict=True):
        assert set(entry) == {
            "name", "entity", "window", "dtype", "default", "source", "freshness", "meaning",
        }  # fmt: skip
        assert entry["freshness"] == FRESHNESS[feature.source] == feature.freshness
    by_name = {entry["name"]: entry for entry in found["features"]}
    assert by_name["card_mean_1h"]["default"] is None
    assert by_name["card_count_1h"]["default"] == 0
    assert by_name["card_labelled_7d"]["freshness"] == "when labels arrive"


def test_the_list_is_narrowed_by_entity_and_text():
    of_ip = last_json(run("--entity", "ip", "--json"))["features"]
    assert {entry["entity"] for entry in of_ip} == {"ip"}
    found = last_json(run("list", "--entity", "card", "--contains", "NIGHT", "--json"))
    assert found == {"features": [], "count": 0}
    assert [e["name"] for e in last_json(run("--contains", "NIGHT", "--json"))["features"]] == ["is_night"]
    assert "0 features" in run("--contains", "no such thing")


@pytest.mark.parametrize("columns", [100, 160])
def test_the_table_is_grouped_and_fits_the_terminal(columns):
    shown = run(columns=columns)
    assert all(len(line) <= columns for line in shown.splitlines())
    for name in NAMES:
        assert f"\n{name} " in shown  # a name is never cut or broken
    assert "card: 14 features, float32, moving when labels arrive" in shown
    assert shown.rstrip().endswith(f"{len(FEATURES)} features")


def test_mistakes_are_named():
    failed = CliRunner().invoke(app, ["features", "--entity", "cart"])
    assert failed.exit_code == 2
    assert "none of request, card, merchant, device, ip" in failed.output
    assert CliRunner().invoke(app, ["features", "--json", "list"]).exit_code == 2
    assert CliRunner().invoke(app, ["features", "verify", "--store", "tape"]).exit_code == 2


def test_verify_in_order():
    found = last_json(run("verify", "--transactions", "3000", "--json"))
    assert (found["transactions"], found["features"], found["late"]) == (3000, len(NAMES), 0)
    assert (found["differing"], found["values_differing"], found["unexplained"]) == (0, 0, 0)
    assert found["differing_features"] == {}


def test_verify_on_feast_with_late_deliveries():
    shown = run("verify", "--transactions", "1000", "--late", "0.05", "--store", "feast")
    assert "late              50" in shown
    assert "unexplained       0" in shown
    assert "bit by bit, or explained" in shown


def test_verify_reads_a_file(tmp_path):
    path = tmp_path / "payments.parquet"
    simulate(Scenario(transactions=500)).transactions.to_parquet(path)
    assert last_json(run("verify", "--data", str(path), "--json"))["transactions"] == 500
    assert last_json(run("verify", "--data", str(path), "--transactions", "200", "--json"))["transactions"] == 200


@pytest.mark.parametrize("late", ["0", "0.05"])
def test_verify_ends_with_status_1_where_something_is_wrong(monkeypatch, late):
    class Amnesia(MemoryStore):
        def write(self, states, as_of):
            super().write({}, as_of)

    monkeypatch.setattr(commands, "MemoryStore", Amnesia)
    options = ("verify", "--transactions", "1000", "--late", late)
    found = last_json(run(*options, "--json", status=1))
    assert found["unexplained"] > 0
    assert found["explained"] + found["unexplained"] == found["values_differing"]
    assert "offline, " in run(*options, status=1)
