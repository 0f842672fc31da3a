"""The back-fill from the command line, over Feast on SQLite and the SQL ledger."""

import json
import sqlite3
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from features.catalogue import NAMES
from features.errors import StateError
from features.label import Label
from features.replay import replay
from features.stores.feast_store import FeastStore, open_feast
from services.cli.app import app
from services.composition import Root
from services.settings import Settings
from services.state_directory import open_state
from services.training import before
from streaming.ledger import LedgerBatch
from tests.arrays import same_bits
from tests.unit.docs.documents import blocks, features_guide
from tests.unit.features.backfills import features, part_bytes, parts, simulated


class Crash(Exception):
    pass


def command(world, *options, state="state"):
    """Run the command; an error of ours is raised."""
    arguments = ["--data", world.data, "--state", world.path / state, "--out", world.path / "out", "--json", *options]
    result = CliRunner().invoke(app, ["backfill", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return json.loads(result.stdout.splitlines()[-1]), result.stderr


@pytest.fixture
def root(world):
    return Root(Settings(), open_state(world.path / "state"))


@pytest.fixture(scope="module")
def module_patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def make_world(path, patch):
    for name in ("REDIS_URL", "LEDGER_URL", "RINGFENCE_STATE"):
        patch.delenv(name, raising=False)
    patch.chdir(path)
    return SimpleNamespace(path=path, data=path / "payments.parquet", table=simulated(path / "payments.parquet"))


@pytest.fixture
def world(tmp_path, monkeypatch):
    return make_world(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, module_patch):
    world = make_world(tmp_path_factory.mktemp("finished"), module_patch)
    world.result, _ = command(world, "--chunk", "600")
    world.replayed = replay(world.table)
    return world


def online_states(path, keys):
    store = open_feast(path / "feature-store")
    found = store.read(keys)
    store.close()
    return found


def keys_of(states):
    return {entity: list(found) for entity, found in states.items()}


def test_the_result_says_what_was_done(finished):
    result = finished.result
    assert list(result) == [
        "transactions",
        "labels",
        "features",
        "parts",
        "states",
        "out",
        "seconds",
        "rows_per_s",
    ]
    assert result["transactions"] == len(finished.table)
    assert result["labels"] == finished.replayed.labels
    assert result["features"] == len(NAMES)
    assert result["parts"] == len(part_bytes(finished.path / "out")) == 5
    assert result["states"] == {entity: len(found) for entity, found in finished.replayed.states.items()}
    assert result["out"] == str(finished.path / "out")


def test_the_online_store_is_as_if_the_history_had_been_live(finished):
    states = finished.replayed.states
    assert online_states(finished.path / "state", keys_of(states)) == states
    assert same_bits(features(parts(finished.path / "out")), finished.replayed.features)


def test_feast_returns_the_features_as_of_each_transaction(finished):
    names = ["card_count_1h", "device_count_1h", *NAMES[-3:]]
    rows = finished.table.sample(40, random_state=1)
    wanted = pd.DataFrame({"transaction_id": rows["transaction_id"], "event_timestamp": rows["event_time"]})
    wanted.loc[len(finished.table)] = ["unknown", rows["event_time"].iloc[0]]
    store = open_feast(finished.path / "state" / "feature-store")
    found = (
        store._backend.instance.store.get_historical_features(
            entity_df=wanted, features=[f"transaction_features:{name}" for name in names]
        )
        .to_df()
        .set_index("transaction_id")
    )
    store.close()
    columns = [NAMES.index(name) for name in names]
    expected = finished.replayed.features[rows.index][:, columns]
    assert same_bits(found.loc[rows["transaction_id"], names].to_numpy(np.float32), expected)
    assert found.loc["unknown", names].isna().all()
    assert len(found) == len(wanted)


@pytest.mark.filterwarnings("ignore:Downcasting object dtype:FutureWarning")  # inside dask
def test_the_lines_that_the_guide_shows_return_features(finished, module_patch):
    (finished.path / ".ringfence").symlink_to("state")
    module_patch.chdir(finished.path)
    (code,) = (block for block in blocks(features_guide(), "python") if "get_historical_features" in block)
    names = {}
    exec(compile(code, "docs/features.md", "exec"), names)
    found, rows = names["training"].set_index("transaction_id"), finished.table.tail(1000)
    columns = ["card_count_1h", "merchant_fraud_rate_7d"]
    expected = finished.replayed.features[rows.index][:, [NAMES.index(name) for name in columns]]
    assert found.loc[rows["transaction_id"], columns].to_numpy(np.float32).tobytes() == expected.tobytes()


def test_later_labels_find_their_transactions(finished):
    ledger = Root(Settings(), open_state(finished.path / "state")).ledger()
    end = finished.table["event_time"].iloc[-1]
    waiting = finished.table[~(finished.table["label_time"] <= end)]["transaction_id"].tolist()
    assert set(ledger.refs(finished.table["transaction_id"].tolist())) == set(waiting)
    assert waiting
    ledger.close()


def test_a_finished_back_fill_does_nothing(finished, monkeypatch):
    before_run = {path: path.stat().st_mtime_ns for path in (finished.path / "out").glob("part-*")}
    for name in ("bulk_load", "register_history"):
        monkeypatch.setattr(FeastStore, name, None)
    result, said = command(finished, "--chunk", "600")
    assert "finished already" in said
    assert {name: value for name, value in result.items() if name not in ("seconds", "rows_per_s")} == {
        name: value for name, value in finished.result.items() if name not in ("seconds", "rows_per_s")
    }
    assert {path: path.stat().st_mtime_ns for path in (finished.path / "out").glob("part-*")} == before_run


def test_an_instance_opened_again_keeps_the_view(finished):
    store = open_feast(finished.path / "state" / "feature-store")
    views = {view.name for view in store._backend.instance.store.list_feature_views()}
    assert "transaction_features" in views
    store.close()


@pytest.mark.parametrize("step", ["bulk_load", "register_history"])
def test_a_crash_while_loading_is_made_up_for(world, monkeypatch, step):
    with monkeypatch.context() as patch:
        patch.setattr(FeastStore, step, lambda *_arguments: (_ for _ in ()).throw(Crash))
        with pytest.raises(Crash):
            command(world)
    result, said = command(world)
    states = replay(world.table).states
    assert f"Going on after {len(world.table):,} transactions" in said
    assert result["transactions"] == len(world.table)
    assert online_states(world.path / "state", keys_of(states)) == states


def test_until_ends_the_history(world):
    cut = world.table["event_time"].iloc[700].ceil("s")
    result, _ = command(world, "--until", f"{cut:%Y-%m-%dT%H:%M:%S}")
    rows = before(world.table, cut)
    expected = replay(rows, until=cut.to_pydatetime())
    assert (result["transactions"], result["labels"]) == (len(rows), expected.labels)
    assert same_bits(features(parts(world.path / "out")), expected.features)
    assert online_states(world.path / "state", keys_of(expected.states)) == expected.states


def test_changed_data_are_refused_until_restarted(world):
    command(world)
    world.table = simulated(world.data, seed=4)
    with pytest.raises(StateError, match="something else") as refused:
        command(world)
    assert "--restart" in refused.value.remedy
    assert "--out" in refused.value.remedy
    command(world, "--restart", state="other")
    assert same_bits(features(parts(world.path / "out")), replay(world.table).features)


def test_a_live_state_is_left_alone(world, root):
    command(world)
    ledger = root.ledger()
    row = world.table.iloc[-1]
    known = row["event_time"].to_pydatetime()
    label = Label(transaction_id=row["transaction_id"], is_fraud=True, source="analyst", label_time=known)
    ledger.commit(LedgerBatch(labels=[label]))
    (waiting,) = ledger.pending_labels([0])
    ledger.commit(LedgerBatch(folded_labels=[replace(waiting, seq=1)]))
    ledger.close()
    kept = part_bytes(world.path / "out")
    with pytest.raises(StateError, match="is live") as refused:
        command(world, "--restart")
    assert "--state" in refused.value.remedy
    assert part_bytes(world.path / "out") == kept
    assert "finished already" in command(world)[1]


def test_a_store_that_lost_its_states_gets_the_history_back(world):
    command(world)
    shown = world.path / "state" / "feature-store" / "online.db"
    keys = keys_of(replay(world.table).states)
    held = online_states(world.path / "state", keys)
    with sqlite3.connect(shown) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            database.execute(f'DELETE FROM "{table}"')
    assert not any(online_states(world.path / "state", keys).values())
    _, said = command(world)
    assert "They are back" in said
    assert online_states(world.path / "state", keys) == held
    _, said = command(world)
    assert "They are back" not in said
