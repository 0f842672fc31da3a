"""A first start: everything there afterwards, the model last, and nothing made twice."""

import json

import pytest
from typer.testing import CliRunner

from features.errors import StateError
from services.champion import champion_version
from services.cli import init
from services.cli.app import app
from services.composition import Root
from services.settings import Settings
from services.state_directory import open_state
from streaming.broker import TOPICS
from streaming.brokers.memory import MemoryBroker
from streaming.ledgers.sql import open_ledger
from tests.unit.services.trained import install_editions

run = CliRunner()


@pytest.fixture
def broker(monkeypatch):
    broker = MemoryBroker()
    monkeypatch.setattr(Root, "broker", lambda root: broker)
    monkeypatch.setattr(broker, "close", lambda: None)
    return broker


@pytest.fixture
def state(tmp_path, monkeypatch):
    for name in ("REDIS_URL", "LEDGER_URL", "RINGFENCE_DATA", "RINGFENCE_TOKEN", "RINGFENCE_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    return open_state(tmp_path / "state")


def invoke(state, *arguments):
    result = run.invoke(app, ["init", "--state", str(state.path), "--json", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_what_is_there_stays(state, broker, monkeypatch):
    monkeypatch.setattr(init, "start_from", lambda *_, **__: pytest.fail("trained although there is a champion"))
    (version,) = install_editions(state, 1)
    for _ in range(2):
        assert invoke(state) == {"model_version": version, "made_now": False, "state": str(state.path)}
    assert broker.topics() == dict.fromkeys(TOPICS[:3], 3) | {TOPICS[3]: 1}
    assert state.token.exists()


def test_a_ledger_with_decisions_and_no_model_is_left_alone(state, broker, monkeypatch):
    monkeypatch.setattr(init, "check_not_live", lambda root: (_ for _ in ()).throw(StateError("live")))
    with pytest.raises(StateError, match="live"):
        invoke(state, "--transactions", "100")
    assert not state.registry.exists()


def test_stopped_before_the_model_is_installed_it_begins_again(state, broker, monkeypatch):
    """The states and the announced labels are written first; a crash then leaves no champion."""
    order = []

    def train(directory, history, *, before_install, **_):
        order.append("trained")
        before_install(replayed)
        order.append("filled")
        if len(order) == 2:
            raise KeyboardInterrupt
        return install(directory)

    def install(directory):
        (version,) = install_editions(directory, 1)
        bundle = type("Bundle", (), {"version": version})
        return type("Trained", (), {"bundle": bundle})

    replayed = type("Replay", (), {"states": {"card": {"c": b"state"}}})
    monkeypatch.setattr("services.first_start.train_and_install", train)
    result = run.invoke(app, ["init", "--state", str(state.path), "--transactions", "300"])
    assert result.exit_code == 130
    assert not state.registry.exists()
    made = invoke(state, "--transactions", "300")
    assert made["made_now"]
    assert made["model_version"] == champion_version(state)
    store = Root(Settings(), state).feature_store()
    assert store.read({"card": ["c"]}) == {"card": {"c": b"state"}}
    store.close()
    ledger = open_ledger(f"sqlite:///{state.ledger}")
    assert ledger.count() == 0
    ledger.close()
