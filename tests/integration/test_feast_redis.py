import time
from datetime import timedelta

import pytest
import redis

from features.errors import StateError, StoreUnavailable
from features.feast_repo.definitions import ENTITY_DEFINITIONS
from features.store import ENTITIES
from features.stores.feast_store import open_feast
from tests.integration.redis_server import RedisServer, redis_server, require_redis  # noqa: F401 (a fixture)
from tests.unit.features.stores.conformance import NOON, StoreConformance, feast_messages

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


class TestFeastOnRedis(StoreConformance):
    @pytest.fixture
    def store(self, opened, client):
        return opened


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


def test_a_damaged_value_is_named_as_damage(opened, client):
    opened.write({"card": {"c": b"x" * 50}}, NOON)
    (key,) = client.keys()
    for field, value in client.hgetall(key).items():
        client.hset(key, field, value[:20])
    with pytest.raises(StateError, match="is damaged"):
        opened.read({"card": ["c"]})
