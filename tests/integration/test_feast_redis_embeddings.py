"""Embeddings on a real Redis through Feast: they keep the contract, and come back as they do from SQLite."""

from contextlib import closing

import numpy as np
import pandas as pd
import pytest
import redis

pytest.importorskip("torch")

import torch

from features.embeddings import NODE_TYPES
from features.errors import StoreUnavailable
from features.stores.embeddings import open_embeddings
from models.rings.graph import build_graph
from services.rings.embedding import embed_rings
from services.rings.network import train_rings
from services.state_directory import open_state
from streaming.simulator import CampaignMix, Scenario, simulate
from tests.integration.redis_server import RedisServer, redis_server, require_redis  # noqa: F401 (a fixture)
from tests.unit.features.stores.embeddings_conformance import NOON, EmbeddingConformance, vector

pytestmark = pytest.mark.integration
CPU = torch.device("cpu")


def silent(_what):
    return lambda done, total: None


@pytest.fixture
def client(redis_server):  # noqa: F811 (the fixture)
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def on_redis(client, redis_server, tmp_path):  # noqa: F811 (the fixture)
    with closing(open_embeddings(tmp_path / "redis", redis_url=redis_server.url)) as store:
        yield store


@pytest.fixture
def on_sqlite(tmp_path):
    with closing(open_embeddings(tmp_path / "sqlite")) as store:
        yield store


class TestFeastOnRedis(EmbeddingConformance):
    @pytest.fixture
    def store(self, on_redis):
        return on_redis


def everything(store, names):
    """All embeddings of the entities of a graph, as bytes with their times."""
    found = store.read({kind: names[code].astype(str).tolist() for code, kind in enumerate(NODE_TYPES)})
    return {
        (kind, key): (embedding.vector.tobytes(), embedding.as_of)
        for kind, of_type in found.items()
        for key, embedding in of_type.items()
    }


def test_what_comes_back_is_what_sqlite_gives_whole_and_in_steps(on_redis, on_sqlite, tmp_path):
    table = simulate(
        Scenario(transactions=2500, fraud_rate=0.1, campaigns=CampaignMix(mule_ring=1.0), seed=3)
    ).transactions
    bundle = train_rings(open_state(tmp_path / "state"), table, epochs=1, device=CPU, step=silent)
    names = build_graph(table).names
    middle = table["event_time"].iloc[2000]
    later = middle + pd.Timedelta(hours=6)
    told = []
    for as_of, since in ((middle, None), (later, middle)):
        told.append(
            [
                embed_rings(bundle, table, store, as_of=as_of, since=since, device=CPU, step=silent)["embeddings"]
                for store in (on_redis, on_sqlite)
            ]
        )
        ours, theirs = everything(on_redis, names), everything(on_sqlite, names)
        assert ours == theirs
        assert len(ours) >= told[0][0]
    assert told[0][0] == told[0][1] > told[1][0] == told[1][1] > 0
    times = {as_of for _, as_of in ours.values()}
    assert times == {middle.floor("s").to_pydatetime(), later.floor("s").to_pydatetime()}
    with closing(open_embeddings(tmp_path / "whole")) as whole:
        embed_rings(bundle, table, whole, as_of=later, device=CPU, step=silent)
        at_once = everything(whole, names)
    assert at_once.keys() == ours.keys()
    for key, (raw, _) in at_once.items():
        np.testing.assert_allclose(
            np.frombuffer(ours[key][0], np.float32), np.frombuffer(raw, np.float32), rtol=1e-4, atol=1e-5
        )


def test_what_is_no_embedding_counts_as_absent(on_redis, client):
    on_redis.write({"card": {"c": vector(1)}}, NOON)
    [name] = client.keys("*")
    [field] = [field for field in client.hkeys(name) if not field.startswith(b"_ts")]
    client.hset(name, field, b"")
    assert on_redis.read({"card": ["c"]}) == {"card": {}}


def test_a_killed_server_is_an_outage_and_what_it_acknowledged_comes_back(tmp_path):
    require_redis()
    (tmp_path / "data").mkdir()
    server = RedisServer(tmp_path / "data", password="hush,1")
    server.start()
    with closing(open_embeddings(tmp_path / "embeddings", redis_url=server.url)) as store:
        store.write({"ip": {"i": vector(3)}}, NOON)
        server.kill()
        for attempt in (lambda: store.read({"ip": ["i"]}), lambda: store.write({"ip": {"i": vector(4)}}, NOON)):
            with pytest.raises(StoreUnavailable, match="the embeddings on Redis at") as caught:
                attempt()
            assert "hush" not in str(caught.value)
        server.start()
        assert store.read({"ip": ["i"]})["ip"]["i"].vector.tolist() == [3.0]
    server.kill()
