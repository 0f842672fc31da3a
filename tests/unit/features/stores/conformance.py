"""What every feature store must do. Subclass it, with a ``store`` fixture, for each implementation."""

import threading
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest

from features.store import ENTITIES, UNREADABLE

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
# Ids are printable ASCII up to 128 characters, and states are any bytes at all.
AWKWARD_KEYS = ["a", "A", "0", "%s'\";--", "card:1/x?y=z", "~" * 128, "{}[]", "1e3", "ringfence"]
AWKWARD_STATES = [
    b"",
    b"\x00",
    b"\x00" * 100,
    bytes(range(256)) * 40,
    b"NULL",
    "é".encode(),
    b"\xff\xfe",
    b"\r\n",
    b"x",
]


def feast_messages():
    """Return Feast's EntityKey and Value classes.

    Not imported above: importing Feast changes the process in ways that only `open_feast` undoes.
    """
    types = "feast.protos.feast.types"
    return import_module(f"{types}.EntityKey_pb2").EntityKey, import_module(f"{types}.Value_pb2").Value


class StoreConformance:
    def test_unknown_keys_are_absent(self, store):
        assert store.read({entity: ["nobody"] for entity in ENTITIES}) == {entity: {} for entity in ENTITIES}
        assert store.read({"card": []}) == {"card": {}}
        assert store.read({}) == {}

    def test_every_state_comes_back_under_its_entity(self, store):
        states = {entity: {"same": entity.encode()} for entity in ENTITIES}
        store.write(states, NOON)
        assert store.read({entity: ["same"] for entity in ENTITIES}) == states

    @pytest.mark.parametrize("entity", ENTITIES)
    def test_awkward_keys_and_states(self, store, entity):
        states = dict(zip(AWKWARD_KEYS, AWKWARD_STATES, strict=True))
        store.write({entity: states}, NOON)
        assert store.read({entity: AWKWARD_KEYS}) == {entity: states}

    def test_duplicate_keys_are_allowed(self, store):
        store.write({"ip": {"10.0.0.1": b"1"}}, NOON)
        assert store.read({"ip": ["10.0.0.1", "none", "10.0.0.1"]}) == {"ip": {"10.0.0.1": b"1"}}

    @pytest.mark.parametrize("later", [timedelta(0), timedelta(hours=-1), timedelta(microseconds=1)])
    def test_the_last_write_wins_whatever_its_time(self, store, later):
        store.write({"card": {"c": b"first", "other": b"kept"}}, NOON)
        store.write({"card": {"c": b"second"}}, NOON + later)
        assert store.read({"card": ["c", "other"]}) == {"card": {"c": b"second", "other": b"kept"}}

    def test_empty_writes_do_nothing(self, store):
        store.write({}, NOON)
        store.write({"device": {}}, NOON)
        assert store.read({"device": ["d"]}) == {"device": {}}

    def test_large_reads_and_bulk_loads(self, store):
        states = {"merchant": {f"m{i}": str(i).encode() for i in range(45_000)}, "ip": {"1": b"1"}}
        heard: list[tuple[int, int]] = []
        assert store.bulk_load(states, NOON, progress=lambda done, total: heard.append((done, total))) == 45_001
        assert heard == sorted(heard)
        assert heard[-1] == (45_001, 45_001)
        assert store.read({entity: list(rows) for entity, rows in states.items()}) == states

    def test_misuse_is_refused_before_anything_is_written(self, store):
        with pytest.raises(ValueError, match="acquirer"):
            store.write({"card": {"c": b"x"}, "acquirer": {"c": b"x"}}, NOON)
        with pytest.raises(ValueError, match="UTC"):
            store.write({"card": {"c": b"x"}}, NOON.replace(tzinfo=None))
        with pytest.raises(ValueError, match="acquirer"):
            store.read({"acquirer": ["c"]})
        assert store.read({"card": ["c"]}) == {"card": {}}

    def test_threads_share_a_store(self, store):
        failures: list[Exception] = []

        def work(name: str) -> None:
            try:
                for i in range(50):
                    store.write({"card": {name: b"%d" % i}, "ip": {name: b"%d" % i}}, NOON)
                    assert store.read({"card": [name], "ip": [name]})["ip"] == {name: b"%d" % i}
            except Exception as exc:
                failures.append(exc)

        threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []

    def test_replace_takes_what_is_as_it_was_read_and_returns_the_rest(self, store):
        store.write({"card": {"same": b"1", "other": b"2"}, "ip": {"i": b"3"}}, NOON)
        read = store.read({"card": ["same", "other", "new"], "ip": ["i"]})
        store.write({"card": {"other": b"another writer's"}}, NOON)
        new = {"card": {"same": b"11", "other": b"22", "new": b"44"}, "ip": {"i": b"33"}}
        assert store.replace(new, read, NOON) == {"card": {"other": b"another writer's"}}
        after = {"card": {"same": b"11", "other": b"another writer's", "new": b"44"}, "ip": {"i": b"33"}}
        assert store.read({"card": ["same", "other", "new"], "ip": ["i"]}) == after

    def test_of_two_that_found_nothing_the_second_is_told(self, store):
        assert store.replace({"card": {"c": b"first"}}, {}, NOON) == {}
        assert store.replace({"card": {"c": b"second"}}, {"card": {}}, NOON) == {"card": {"c": b"first"}}
        assert store.read({"card": ["c"]}) == {"card": {"c": b"first"}}

    def test_replace_tells_states_of_the_same_length_apart(self, store):
        store.write({"card": {"c": b"x" * 500}}, NOON)
        assert store.replace({"card": {"c": b"new"}}, {"card": {"c": b"y" + b"x" * 499}}, NOON)
        assert store.read({"card": ["c"]}) == {"card": {"c": b"x" * 500}}

    @pytest.mark.parametrize("entity", ENTITIES)
    def test_awkward_states_are_replaced(self, store, entity):
        states = dict(zip(AWKWARD_KEYS, AWKWARD_STATES, strict=True))
        assert store.replace({entity: states}, {}, NOON) == {}
        assert store.replace({entity: dict.fromkeys(states, b"new")}, {entity: states}, NOON) == {}
        assert store.read({entity: AWKWARD_KEYS}) == {entity: dict.fromkeys(states, b"new")}

    def test_misuse_of_replace_is_refused(self, store):
        with pytest.raises(ValueError, match="acquirer"):
            store.replace({"card": {"c": b"x"}, "acquirer": {"c": b"x"}}, {}, NOON)
        with pytest.raises(ValueError, match="UTC"):
            store.replace({"card": {"c": b"x"}}, {}, NOON.replace(tzinfo=None))
        assert store.read({"card": ["c"]}) == {"card": {}}

    def test_threads_that_replace_one_state_lose_nothing(self, store):
        def add(name: bytes) -> None:
            for _ in range(50):
                read = store.read({"merchant": ["m"]})
                while read := store.replace({"merchant": {"m": read["merchant"].get("m", b"") + name}}, read, NOON):
                    pass

        threads = [threading.Thread(target=add, args=(name,)) for name in (b"a", b"b", b"c")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        held = store.read({"merchant": ["m"]})["merchant"]["m"]
        assert sorted(held) == sorted(b"abc" * 50)

    def test_a_store_remembers_whose_states_it_holds(self, store):
        assert store.owner() is None
        store.claim("ledger-1")
        assert store.owner() == "ledger-1"
        store.claim("ledger-2")
        assert store.owner() == "ledger-2"
        assert store.refill()

    def test_warm_up_writes_nothing(self, store):
        store.warm_up()
        assert store.read({entity: ["-"] for entity in ENTITIES}) == {entity: {} for entity in ENTITIES}


# What may lie where Feast's protobuf of a state should be, made from a right one.
DAMAGED_VALUES = {
    "cut": lambda value: value[:20],
    "nothing": lambda value: b"",
    "garbage": lambda value: b"\xff\xfe garbage" * 9,
    "another type's": lambda value: feast_messages()[1](string_val="a state").SerializeToString(),
    "a number's": lambda value: feast_messages()[1](int64_val=7).SerializeToString(),
}


class FeastStoreConformance(StoreConformance):
    """What a store on Feast's formats must do besides; ``spoil`` replaces a card's stored value by what a function
    makes of it."""

    @pytest.mark.parametrize("damage", DAMAGED_VALUES.values(), ids=DAMAGED_VALUES)
    def test_a_value_that_cannot_be_unwrapped_is_unreadable_and_the_others_are_not(self, store, spoil, damage):
        store.write({"card": {"bad": b"x" * 50, "good": b"1"}, "ip": {"bad": b"2"}}, NOON)
        spoil("bad", damage)
        wanted = {"card": ["bad", "good", "none"], "ip": ["bad"]}
        assert store.read(wanted) == {"card": {"bad": UNREADABLE, "good": b"1"}, "ip": {"bad": b"2"}}
        store.write({"card": {"bad": b"anew"}}, NOON)
        assert store.read(wanted) == {"card": {"bad": b"anew", "good": b"1"}, "ip": {"bad": b"2"}}

    @pytest.mark.parametrize("damage", DAMAGED_VALUES.values(), ids=DAMAGED_VALUES)
    def test_a_value_that_cannot_be_unwrapped_is_replaced_unless_another_was_faster(self, store, spoil, damage):
        store.write({"card": {"bad": b"x" * 50, "worse": b"x" * 50}}, NOON)
        spoil("bad", damage)
        spoil("worse", damage)
        read = store.read({"card": ["bad", "worse"]})
        assert read == {"card": {"bad": UNREADABLE, "worse": UNREADABLE}}
        store.write({"card": {"worse": b"new"}}, NOON)
        assert store.replace({"card": {"bad": b"1", "worse": b"2"}}, read, NOON) == {"card": {"worse": b"new"}}
        assert store.read({"card": ["bad", "worse"]}) == {"card": {"bad": b"1", "worse": b"new"}}
