import importlib
import time
from contextlib import closing
from datetime import timedelta
from functools import partial

import msgspec
import pytest
import redis
from prometheus_client import CollectorRegistry

from features.codec import encode_transaction
from features.engine import FeatureEngine
from features.errors import StoreEmptied, StoreUnavailable
from features.feast_repo.definitions import ENTITY_DEFINITIONS
from features.store import ENTITIES, UNREADABLE
from features.stores.feast_store import open_feast
from models.decision import Decision
from monitoring.metrics import Metrics
from services.composition import Root
from services.settings import Settings
from services.state_directory import open_state
from streaming.broker import DEAD_LETTER, DECISIONS, LABELS, TRANSACTIONS
from streaming.brokers.memory import MemoryBroker
from streaming.ledgers.memory import MemoryLedger
from streaming.scoring import Scoring
from streaming.worker import Worker
from tests.fakes import FakeBundle, fake_payment, fake_policy
from tests.integration.certificates import Authority
from tests.integration.redis_server import RedisServer, redis_server, require_redis  # noqa: F401 (a fixture)
from tests.unit.features.stores.conformance import NOON, FeastStoreConformance, feast_messages

pytestmark = pytest.mark.integration
KEYS = {entity.name: entity.join_key for entity in ENTITY_DEFINITIONS}


@pytest.fixture(scope="module")
def opened(tmp_path_factory, redis_server):  # noqa: F811 (the fixture)
    store = open_feast(tmp_path_factory.mktemp("features"), redis_url=redis_server.url)
    yield store
    store.close()


@pytest.fixture
def client(redis_server):  # noqa: F811 (the fixture)
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def own_server(tmp_path):
    """A server that the test may kill."""
    require_redis()
    (tmp_path / "redis").mkdir()
    server = RedisServer(tmp_path / "redis", password="hush,1")
    server.start()
    yield server
    server.kill()


class TestFeastOnRedis(FeastStoreConformance):
    @pytest.fixture
    def store(self, opened, client):
        return opened

    @pytest.fixture
    def spoil(self, client):
        def spoil(key, damage):
            name, field, value = stored(client, "card", key)
            client.hset(name, field, damage(value))

        return spoil

    def test_a_key_of_another_type_is_unreadable_and_replaced(self, store, client):
        store.write({"card": {"bad": b"1", "good": b"1"}}, NOON)
        name, _, _ = stored(client, "card", "bad")
        client.set(name, "no hash")
        assert store.read({"card": ["bad", "good"]}) == {"card": {"bad": UNREADABLE, "good": b"1"}}
        store.write({"card": {"bad": b"2", "good": b"2"}, "ip": {"bad": b"3"}}, NOON)
        assert store.read({"card": ["bad", "good"], "ip": ["bad"]}) == {
            "card": {"bad": b"2", "good": b"2"},
            "ip": {"bad": b"3"},
        }


def test_feast_reads_what_is_written_here_and_the_other_way_round(opened, client):
    entity_key, value = feast_messages()
    opened.write({entity: {"x": entity.encode()} for entity in ENTITIES}, NOON)
    feast_store = opened._backend.instance.store
    rows = feast_store.get_online_features(
        [f"{entity}_state:state" for entity in ENTITIES],
        [dict.fromkeys(KEYS.values(), "x"), dict.fromkeys(KEYS.values(), "y")],
        full_feature_names=True,
    ).to_dict()
    assert {entity: rows[f"{entity}_state__state"] for entity in ENTITIES} == {
        entity: [entity.encode(), None] for entity in ENTITIES
    }
    for entity, join_key in KEYS.items():
        key = entity_key(join_keys=[join_key], entity_values=[value(string_val="x")])
        view = feast_store.get_feature_view(f"{entity}_state")
        provider = feast_store._get_provider()
        assert provider.online_read(feast_store.config, view, [key])[0][0] == NOON
        later = NOON + timedelta(days=1)
        provider.online_write_batch(
            feast_store.config, view, [(key, {"state": value(bytes_val=b"by feast")}, later, None)], None
        )
    assert opened.read({entity: ["x"] for entity in ENTITIES}) == {entity: {"x": b"by feast"} for entity in ENTITIES}


def test_one_round_trip_each_way(opened, client):
    opened.warm_up()
    before = client.info("stats")["total_reads_processed"]
    opened.write({entity: {f"{entity}{i}": b"x" for i in range(8)} for entity in ENTITIES}, NOON)
    opened.read({entity: [f"{entity}{i}" for i in range(8)] for entity in ENTITIES})
    # The second INFO is one more read of the server's socket.
    assert client.info("stats")["total_reads_processed"] - before == 3


def test_a_killed_server_is_unavailable_at_once_and_comes_back(own_server, tmp_path):
    store = open_feast(tmp_path / "features", redis_url=own_server.url)
    store.warm_up()
    store.write({"card": {"c": b"acknowledged"}}, NOON)
    own_server.kill()
    for attempt in (
        store.warm_up,
        lambda: store.read({"card": ["c"]}),
        lambda: store.write({"card": {"c": b"lost"}}, NOON),
    ):
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"does not answer: .+ Check that it runs") as caught:
            attempt()
        assert time.monotonic() - begun < 0.3
        assert "hush" not in str(caught.value)
    own_server.start()
    assert store.read({"card": ["c"]}) == {"card": {"c": b"acknowledged"}}
    store.close()


def test_a_restart_between_two_calls_is_not_noticed(own_server, tmp_path):
    store = open_feast(tmp_path / "features", redis_url=own_server.url)
    store.write({"card": {"c": b"1"}}, NOON)
    own_server.kill()
    own_server.start()
    assert store.read({"card": ["c"]}) == {"card": {"c": b"1"}}
    store.close()


def test_a_store_that_is_emptied_while_it_is_filled_is_filled_from_the_beginning(opened, client):
    opened.claim("ledger")
    client.flushdb()
    assert [opened.refill(), opened.refill()] == [True, True]
    client.flushdb()
    assert [opened.refill(), opened.refill()] == [False, True]  # the first says so
    opened.claim("ledger")


def test_whoever_has_met_a_claim_notices_when_it_is_lost(opened, client, redis_server, tmp_path):  # noqa: F811
    client.flushdb()
    with closing(open_feast(tmp_path, redis_url=redis_server.url)) as other:
        other.warm_up()  # there is no claim yet
        opened.claim("ledger")
        assert other.owner() == "ledger"
        client.flushdb()
        with pytest.raises(StoreEmptied):
            other.read({"card": ["c"]})
    opened.claim("ledger")


def test_a_server_that_hangs_is_cut_off(own_server, tmp_path):
    store = open_feast(tmp_path / "features", redis_url=own_server.url)
    store.warm_up()
    own_server.process.send_signal(19)  # SIGSTOP
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        store.read({"card": ["c"]})
    assert time.monotonic() - begun < 1.0
    own_server.process.send_signal(18)  # SIGCONT
    assert store.read({"card": ["c"]}) == {"card": {}}
    store.close()


def test_a_wrong_password_is_named_and_not_repeated(own_server, tmp_path):
    store = open_feast(tmp_path / "features", redis_url=f"redis://:wrong-one@127.0.0.1:{own_server.port}")
    with pytest.raises(StoreUnavailable, match="refused the login") as caught:
        store.read({"card": ["c"]})
    assert "wrong-one" not in str(caught.value)
    store.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A server that asks for a password over TLS, its authority's file, and a stranger's."""
    directory = tmp_path_factory.mktemp("tls")
    authority, stranger = Authority(directory), Authority(directory, "stranger")
    require_redis()
    server = RedisServer(directory, password="hush,1", authority=authority)
    server.start()
    yield server, authority.file, stranger.file
    server.kill()


class TestTLS:
    """States over TLS with a password, configured as an operator does."""

    @pytest.fixture
    def opened_with(self, tls, tmp_path, monkeypatch):
        def opened_with(authority, password="hush,1"):
            (tmp_path / "password").write_text(f"{password}\n")
            monkeypatch.setenv("REDIS_URL", f"rediss://127.0.0.1:{tls[0].tls_port}/0")
            monkeypatch.setenv("REDIS_PASSWORD_FILE", str(tmp_path / "password"))
            monkeypatch.setenv("REDIS_SSL_CAFILE", str(authority))
            return Root(Settings(), open_state(tmp_path / "state")).feature_store()

        return opened_with

    def test_states_come_back_and_the_password_stays_off_the_disk(self, tls, opened_with, tmp_path):
        with closing(opened_with(tls[1])) as store:
            store.warm_up()
            store.write({"card": {"c": b"over TLS"}}, NOON)
            assert store.read({"card": ["c"]}) == {"card": {"c": b"over TLS"}}
            config = store._backend.instance.store.config.online_store.connection_string
        assert config == f"127.0.0.1:{tls[0].tls_port},db=0,ssl=true,ssl_ca_certs={tls[1]}"
        assert "hush" not in (tmp_path / "state" / "feature-store" / "feature_store.yaml").read_text()

    def test_an_authority_that_did_not_sign_is_told(self, tls, opened_with):
        with (
            closing(opened_with(tls[2])) as store,
            pytest.raises(StoreUnavailable, match="CERTIFICATE_VERIFY_FAILED") as caught,
        ):
            store.warm_up()
        assert "hush" not in str(caught.value)

    def test_a_wrong_password_is_named_and_not_repeated(self, tls, opened_with):
        with (
            closing(opened_with(tls[1], "wrong-one")) as store,
            pytest.raises(StoreUnavailable, match="refused the login") as caught,
        ):
            store.warm_up()
        assert "wrong-one" not in str(caught.value)


def test_opening_does_not_need_the_server(tmp_path):
    store = open_feast(tmp_path / "features", redis_url="redis://127.0.0.1:1")
    with pytest.raises(StoreUnavailable):
        store.warm_up()
    store.close()


def test_a_full_server_is_unavailable(opened, client):
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable, match="refused a command"):
            opened.write({"card": {"c": b"1"}}, NOON)
    finally:
        client.config_set("maxmemory", 0)
    opened.write({"card": {"c": b"1"}}, NOON)


def stored(client, entity, key):
    """Return the name of a state's hash, the field of its value, and the value."""
    redis_states = importlib.import_module("features.stores.feast_redis")  # imports Feast: see `feast_messages`
    name, field = redis_states._redis_key(entity, key), redis_states._STATE_FIELDS[entity]
    return name, field, client.hget(name, field)


payment = partial(fake_payment, begin=NOON, amount=1.0)


SPOILT = {
    "garbage": lambda client, name, field: client.hset(name, field, b"\xff garbage"),
    "a cut value": lambda client, name, field: client.hset(name, field, client.hget(name, field)[:30]),
    "another type": lambda client, name, field: client.set(name, b"no hash"),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_value_costs_one_review_and_nobody_else_anything(opened, client, spoil):
    """Through the worker: the payments around it are approved, the state starts anew, and the one after counts on."""
    broker, registry = MemoryBroker(), CollectorRegistry()
    broker.ensure_topics({TRANSACTIONS: 1, DECISIONS: 1, LABELS: 1, DEAD_LETTER: 1})
    worker = Worker(
        open_consumer=lambda _: broker.consumer([TRANSACTIONS, LABELS], "worker"),
        open_producer=broker.producer,
        ledger=MemoryLedger(),
        scoring=Scoring(FeatureEngine(), opened, FakeBundle(), fake_policy(), store_timeout_s=5.0),
        metrics=Metrics(registry),
    )
    producer = broker.producer()

    def decided(*payments):
        before = len(broker.records(DECISIONS))
        for each in payments:
            producer.send(TRANSACTIONS, encode_transaction(each), key=each.card_id.encode())
        producer.flush()
        while len(broker.records(DECISIONS)) < before + len(payments):
            worker.step()
        return [msgspec.json.decode(record.value, type=Decision) for record in broker.records(DECISIONS)[before:]]

    others = {"card_id": "card2", "merchant_id": "shop2"}
    decided(payment(1), payment(2, **others))
    name, field, _ = stored(client, "card", "card1")
    spoil(client, name, field)
    hit, other = decided(payment(3), payment(4, **others))
    assert (hit.decision, hit.degraded) == ("review", ("features",))
    assert "unusable:card" in hit.flags
    assert hit.features["card_count_1h"] == 0
    assert hit.features["merchant_count_1h"] == 1
    assert (other.decision, other.degraded) == ("approve", ())
    assert other.features["card_count_1h"] == 1
    (after,) = decided(payment(5))
    assert (after.decision, after.degraded) == ("approve", ())
    assert after.features["card_count_1h"] == 1
    errors = {"entity": "card", "kind": "unreadable"}
    assert registry.get_sample_value("fraud_feature_state_errors_total", errors) == 1
    assert registry.get_sample_value("fraud_degraded_decisions_total", {"stage": "features"}) == 1
