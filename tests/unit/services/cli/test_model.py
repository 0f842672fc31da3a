"""The model commands, run as a person would: on a real state directory and a real file of payments."""

from datetime import UTC, datetime

import pytest

from features.errors import ConfigurationError, DataError, StateError
from models.gate_report import Check, GateReport
from services.cli import gate
from services.promotion import promote
from services.registry import read_registry
from services.state_directory import open_state
from streaming.simulator import Scenario, simulate
from streaming.simulator.files import write
from tests.unit.services.cli.calls import last_json, run
from tests.unit.services.trained import install_editions

TRAINED_UNTIL = datetime(2025, 1, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def payments(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "payments.parquet"
    write(simulate(Scenario(transactions=3000, seed=3, fraud_rate=0.03)), path)
    return path


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_STATE", str(tmp_path / "state"))
    return open_state(tmp_path / "state")


def champion(state):
    return read_registry(state).champion


def test_list_and_show_tell_who_is_who(state):
    first, second, third = install_editions(state, 3)
    (state.bundles / second / "model.txt").write_text("garbage")
    listed = last_json("model", "list")["models"]
    assert [(one["version"], one["alias"]) for one in listed] == [
        (first, "champion"),
        (third, "challenger"),
        (second, None),
    ]
    assert "does not match its hash" in listed[2]["problem"]
    shown = run("model", "list")
    for version in (first, second, third):
        assert version in shown
    assert "0.5100" in shown
    found = last_json("model", "show", "challenger")
    assert found["manifest"]["model_version"] == third
    assert found["policy"]["rules"]["number"] == 3
    assert found["history"][0]["alias"] == "challenger"
    described = run("model", "show", first)
    assert "first model" in described
    assert "review from 0.3" in described


def test_compare_shows_figures_segments_and_moves(state, payments):
    first, second = install_editions(state, 2, end=TRAINED_UNTIL)
    found = last_json("model", "compare", "champion", "challenger", "--data", payments)
    assert (found["first"], found["second"]) == (first, second)
    assert found["figures"]["average_precision"]["difference"] == 0  # the editions rank alike
    assert found["figures"]["brier"]["difference"] != 0
    assert {one["dimension"] for one in found["segments"]} >= {"amount", "card", "channel", "country"}
    verdicts = ("approve", "review", "decline")
    assert sum(found["moves"][old][new] for old in verdicts for new in verdicts) == found["rows"]
    assert found["left_out"]["trained on"] > 0
    shown = run("model", "compare", "champion", "challenger", "--data", payments)
    assert "second: review" in shown
    assert "average precision" in shown
    assert "too few" in shown


def test_a_failed_gate_promotes_nothing_and_says_which_check_failed(state, payments):
    first, second = install_editions(state, 2, end=TRAINED_UNTIL)
    found = last_json("model", "promote", "challenger", "--data", payments, status=1)
    assert found["promoted"] is False
    assert "better" in found["failed"]
    assert champion(state) == first
    shown = run("model", "promote", second, "--data", payments, status=1)
    assert "FAIL better" in shown
    assert "Not promoted" in shown


def test_force_needs_a_reason_and_leaves_its_mark(state, payments):
    first, second = install_editions(state, 2, end=TRAINED_UNTIL)
    with pytest.raises(ConfigurationError, match="reason"):
        run("model", "promote", second, "--data", payments, "--force")
    found = last_json("model", "promote", second, "--data", payments, "--force", "--reason", "a new attack")
    assert (found["promoted"], found["passed"]) == (True, False)
    change = read_registry(state).history[-1]
    assert (change.action, change.reason, change.after) == ("force", "a new attack", second)
    assert "better" in change.gate.failed
    run("model", "rollback", "--reason", "it was not better")
    assert champion(state) == first


def test_a_damaged_bundle_is_not_promoted_even_by_force(state, payments):
    first, second = install_editions(state, 2, end=TRAINED_UNTIL)
    (state.bundles / second / "probes.json").write_text("{}")
    shown = run("model", "promote", second, "--data", payments, "--force", "--reason", "hurry", status=1)
    assert "FAIL bundle" in shown
    assert champion(state) == first


def passing(state, version, *_arguments, **_options):
    good = Check(name="better", passed=True, value=1.0, bound=0.0, sentence="Better by far.")
    return GateReport(candidate=version, champion=champion(state), data="x", checks=(good,))


def test_a_passed_gate_promotes_and_rollback_names_both(state, payments, monkeypatch):
    first, second = install_editions(state, 2, end=TRAINED_UNTIL)
    monkeypatch.setattr(gate, "run_gate", passing)
    assert "is the champion." in run("model", "promote", "challenger", "--data", payments)
    assert champion(state) == second
    assert last_json("model", "rollback", "--reason", "alarms") == {"champion": first, "before": second}
    with pytest.raises(StateError, match="no earlier champion"):
        run("model", "rollback", "--reason", "again")


def test_rollback_names_where_to(state):
    first, second, third = install_editions(state, 3)
    for version in (second, third):
        promote(state, passing(state, version), reason="passed")
    assert last_json("model", "rollback", "--to", first, "--reason", "both were wrong")["champion"] == first


def test_rows_that_the_model_was_trained_on_are_refused(state, payments):
    _, second = install_editions(state, 2, end=datetime(2031, 1, 1, tzinfo=UTC))
    with pytest.raises(DataError, match="3,000 trained on"):
        run("model", "promote", second, "--data", payments)


@pytest.mark.slow
def test_training_makes_a_champion_then_challengers_and_promotes_when_asked(state, payments, monkeypatch):
    first = last_json("train", "--data", payments, "--seed", 1)
    assert first["alias"] == "champion"
    assert last_json("train", "--data", payments, "--seed", 1)["alias"] == "champion"
    second = last_json("train", "--data", payments, "--seed", 2)
    assert second["alias"] == "challenger"
    assert champion(state) == first["model_version"]
    monkeypatch.setattr(gate, "run_gate", passing)
    third = last_json("train", "--data", payments, "--seed", 2, "--promote")
    assert third["alias"] == "champion"
    assert third["gate"]["checks"][0]["passed"] is True
    assert champion(state) == second["model_version"]
    evaluated = last_json("evaluate", "--data", payments)
    assert evaluated["model_version"] == second["model_version"]
