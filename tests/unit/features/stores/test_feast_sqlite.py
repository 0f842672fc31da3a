import importlib
import sqlite3
import threading
import time
from datetime import datetime, timedelta

import pytest

from features.errors import StateError, StoreUnavailable
from features.feast_repo.definitions import ENTITY_DEFINITIONS
from features.store import ENTITIES, UNREADABLE
from features.stores.feast_store import open_feast
from tests.unit.features.stores.conformance import NOON, FeastStoreConformance, feast_messages

TABLES = [f"ringfence_{entity}_state" for entity in ENTITIES]
OF_CARD = "entity_key = ? AND feature_name = 'state'"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """One instance for the module: Feast's `apply` takes most of a second."""
    directory = tmp_path_factory.mktemp("features")
    store = open_feast(directory)
    yield store, directory
    store.close()


def key_bytes(card):
    """Return the key under which Feast files a card."""
    instance = importlib.import_module("features.stores.feast_instance")  # imports Feast: see `feast_messages`
    return instance.key_bytes("card", card)


class TestFeastOnSqlite(FeastStoreConformance):
    @pytest.fixture
    def store(self, opened):
        store, directory = opened
        with sqlite3.connect(directory / "online.db") as connection:
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}")
        connection.close()
        return store

    @pytest.fixture
    def spoil(self, opened):
        _, directory = opened

        def spoil(key, damage):
            with sqlite3.connect(directory / "online.db") as connection:
                (value,) = connection.execute(
                    f"SELECT value FROM {TABLES[0]} WHERE {OF_CARD}", [key_bytes(key)]
                ).fetchone()
                connection.execute(f"UPDATE {TABLES[0]} SET value = ? WHERE {OF_CARD}", [damage(value), key_bytes(key)])
            connection.close()

        return spoil

    @pytest.mark.parametrize("value", [None, 7, 0.5, "text", "CAST(x'fffe' AS TEXT)"])
    def test_a_value_of_another_type_is_unreadable(self, store, opened, value):
        store.write({"card": {"bad": b"1", "good": b"1"}}, NOON)
        with sqlite3.connect(opened[1] / "online.db") as connection:
            if str(value).startswith("CAST"):
                connection.execute(f"UPDATE {TABLES[0]} SET value = {value} WHERE {OF_CARD}", [key_bytes("bad")])
            else:
                connection.execute(f"UPDATE {TABLES[0]} SET value = ? WHERE {OF_CARD}", [value, key_bytes("bad")])
        connection.close()
        assert store.read({"card": ["bad", "good"]}) == {"card": {"bad": UNREADABLE, "good": b"1"}}


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "features"


def reopened(directory):
    store = open_feast(directory)
    store.close()


def test_states_survive_closing_and_are_seen_by_a_second_store(directory):
    store = open_feast(directory)
    other = open_feast(directory)
    store.write({"card": {"c": b"1"}}, NOON)
    assert other.read({"card": ["c"]}) == {"card": {"c": b"1"}}
    store.close()
    other.close()
    again = open_feast(directory)
    assert again.read({"card": ["c"]}) == {"card": {"c": b"1"}}
    again.close()


def test_a_micro_batch_is_written_wholly_or_not_at_all(directory):
    store = open_feast(directory)
    store.write({"card": {"c": b"old"}}, NOON)
    with pytest.raises(TypeError):
        store.write({"card": {"c": b"new"}, "ip": {"i": "not bytes"}}, NOON)
    assert store.read({"card": ["c"], "ip": ["i"]}) == {"card": {"c": b"old"}, "ip": {}}
    store.close()


def test_a_locked_file_is_waited_for(directory):
    store = open_feast(directory)
    blocker = sqlite3.connect(directory / "online.db", isolation_level=None, check_same_thread=False)
    blocker.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.3, lambda: blocker.execute("ROLLBACK"))
    release.start()
    begun = time.monotonic()
    assert store.read({"card": ["c"]}) == {"card": {}}
    assert time.monotonic() - begun < 0.2, "reads must not wait for a writer"
    store.write({"card": {"c": b"1"}}, NOON)
    assert time.monotonic() - begun > 0.2
    release.join()
    blocker.close()
    store.close()


def test_a_file_locked_for_too_long_is_unavailable(directory, monkeypatch):
    store = open_feast(directory)
    store._backend._connection.execute("PRAGMA busy_timeout = 50")
    blocker = sqlite3.connect(directory / "online.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match=r"online\.db does not answer: database is locked\. Check"):
        store.write({"card": {"c": b"1"}}, NOON)
    blocker.close()
    store.write({"card": {"c": b"1"}}, NOON)
    store.close()


def test_feast_reads_what_is_written_here_and_the_other_way_round(directory):
    store = open_feast(directory)
    entity_key, value = feast_messages()
    feast_store = store._backend.instance.store
    keys = {entity.name: entity.join_key for entity in ENTITY_DEFINITIONS}
    store.write({entity: {"x": entity.encode()} for entity in ENTITIES}, NOON)
    rows = feast_store.get_online_features(
        [f"{entity}_state:state" for entity in ENTITIES],
        [dict.fromkeys(keys.values(), "x"), dict.fromkeys(keys.values(), "y")],
        full_feature_names=True,
    ).to_dict()
    assert {entity: rows[f"{entity}_state__state"] for entity in ENTITIES} == {
        entity: [entity.encode(), None] for entity in ENTITIES
    }
    (event_time, _values), *_ = feast_store._get_provider().online_read(
        feast_store.config,
        feast_store.get_feature_view("card_state"),
        [entity_key(join_keys=["card_id"], entity_values=[value(string_val="x")])],
    )
    assert event_time == NOON

    for entity, join_key in keys.items():
        feast_store._get_provider().online_write_batch(
            feast_store.config,
            feast_store.get_feature_view(f"{entity}_state"),
            [
                (
                    entity_key(join_keys=[join_key], entity_values=[value(string_val="z")]),
                    {"state": value(bytes_val=b"by feast")},
                    datetime.now(NOON.tzinfo) + timedelta(days=1),
                    None,
                )
            ],
            None,
        )
    assert store.read({entity: ["z"] for entity in ENTITIES}) == {entity: {"z": b"by feast"} for entity in ENTITIES}
    store.close()


@pytest.mark.parametrize("damage", [b"", b"garbage" * 1000])
def test_a_damaged_online_file_is_refused(directory, damage):
    reopened(directory)
    (directory / "online.db").write_bytes(damage)
    before = threading.enumerate()
    with pytest.raises(StateError, match=r"online\.db is damaged: .+ delete it and back-fill"):
        open_feast(directory)
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []


def test_a_missing_online_file_is_refused(directory):
    reopened(directory)
    (directory / "online.db").unlink()
    with pytest.raises(StateError, match=r"online\.db is damaged: the file is missing\. Restore"):
        open_feast(directory)
    assert not (directory / "online.db").exists()


def test_damage_in_the_middle_is_an_outage_when_it_is_read_or_written(directory):
    """While it runs, the worker takes a file that is damaged as a whole for a store that does not answer."""
    store = open_feast(directory)
    store.write({"card": {f"c{i}": bytes(500) for i in range(3_000)}}, NOON)
    store.close()
    content = bytearray((directory / "online.db").read_bytes())
    half = len(content) // 2
    content[half:] = bytes(len(content) - half)
    (directory / "online.db").write_bytes(content)
    keys = [f"c{i}" for i in range(3_000)]
    store = open_feast(directory)
    store.warm_up()  # looks at the head of each table only
    with pytest.raises(StoreUnavailable, match=r"online\.db is damaged: .+ delete it and back-fill"):
        store.read({"card": keys})
    with pytest.raises(StoreUnavailable, match=r"online\.db is damaged"):
        store.write({"card": dict.fromkeys(keys, b"1")}, NOON)
    store.close()


def test_a_table_that_is_gone_is_an_outage_and_a_store_that_is_not_opened_again(directory):
    store = open_feast(directory)
    with sqlite3.connect(directory / "online.db") as connection:
        connection.execute(f"DROP TABLE {TABLES[0]}")
    connection.close()
    with pytest.raises(StoreUnavailable, match="no such table"):
        store.read({"card": ["c"]})
    with pytest.raises(StateError, match=r"is damaged: no such table.+Restore"):
        store.warm_up()
    store.close()
    with pytest.raises(StateError, match="no such table"):
        open_feast(directory)
