"""A model that takes the ring score, in a worker and a score service as they are deployed, on Kafka and Redis."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

import httpx
import msgspec
import numpy as np
import pandas as pd
import pytest
import redis

pytest.importorskip("torch")

from features.catalogue import NAMES
from features.codec import encode_transaction
from features.table import transactions
from models.decision import Decision
from services import system
from services.auth import load_or_create_token
from services.champion import bundle_of
from services.composition import Root
from services.settings import Settings
from services.state_directory import open_state
from services.system import System
from services.training import train_and_install
from streaming.broker import DECISIONS, TOPICS, TRANSACTIONS
from streaming.brokers.clients import connect
from streaming.brokers.process import free_port
from streaming.network_stage import StoredScores
from streaming.simulator import CampaignMix, Scenario, simulate
from tests.integration.faults.conftest import start_kafka
from tests.integration.redis_server import redis_server, require_redis  # noqa: F401 (a fixture)
from tests.unit.services.rings.gate import ask

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
PATIENCE_S, START_S = 120.0, 400.0
PROCESSES = ("worker", "score")


@pytest.fixture(scope="module")
def simulation():
    """A history that has just ended."""
    made = simulate(Scenario(transactions=3000, fraud_rate=0.1, campaigns=CampaignMix(mule_ring=1.0), seed=3))
    table = made.transactions
    shift = pd.Timestamp.now("UTC").floor("s") - table["event_time"].iloc[-1]
    for name in ("event_time", "label_time"):
        table[name] += shift
    return made


class World:
    """The two processes on a broker and a Redis of their own."""

    def __init__(self, path, simulation, redis_url, bootstrap, gnn):
        self.state = open_state(path)
        self.found = train_and_install(
            self.state, simulation.transactions, ask_network=ask(self.state, simulation, lenient=True)
        )
        self.token, _ = load_or_create_token(self.state.token)
        self.broker = connect(bootstrap, "kafka-python")
        self.broker.ensure_topics(dict.fromkeys(TOPICS, 1))
        self.environment = {
            "RINGFENCE_STATE": str(path),
            "KAFKA_BOOTSTRAP": bootstrap,
            "REDIS_URL": redis_url,
            "RINGFENCE_GNN": gnn,
            "RINGFENCE_GNN_DEVICE": "cpu",
            "RINGFENCE_ALLOW_PAST_AND_FUTURE": "true",
            "RINGFENCE_STORE_TIMEOUT_MS": "2000",
            "PYTHONPATH": str(ROOT),
        }
        self.reader = self.broker.consumer([DECISIONS], "test-reader")
        self.decided = {}

    def command(self, *arguments):
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *map(str, arguments)],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def system(self):
        return System(self.environment, self.state.logs, {name: free_port() for name in PROCESSES})

    def stream(self, payments):
        """Send payments by Kafka and return their decisions."""
        with closing(self.broker.producer()) as producer:
            for payment in payments:
                producer.send(TRANSACTIONS, encode_transaction(payment), key=payment.card_id.encode())
        deadline = monotonic() + PATIENCE_S
        while not all(payment.transaction_id in self.decided for payment in payments):
            assert monotonic() < deadline
            for record in self.reader.poll(0.1, 500):
                decision = msgspec.json.decode(record.value, type=Decision)
                self.decided[decision.transaction_id] = decision
        return [self.decided[payment.transaction_id] for payment in payments]

    def ask(self, running, payment):
        """Send one payment by REST."""
        answer = httpx.post(
            f"{running.url('score')}/v1/score",
            content=encode_transaction(payment),
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=Decision)


@pytest.fixture
def new_world(simulation, redis_server, tmp_path, monkeypatch):  # noqa: F811 (the fixture)
    require_redis()
    monkeypatch.setattr(system, "START_S", START_S)
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    with start_kafka(tmp_path / "kafka") as kafka:
        worlds = []

        def new_world(gnn):
            worlds.append(World(tmp_path / "state", simulation, redis_server.url, kafka.bootstrap, gnn))
            return worlds[-1]

        yield new_world
        for world in worlds:
            world.reader.close()
            world.broker.close()


def again(payments, name, at):
    """The same payments once more, under other ids, from ``at`` on."""
    return [
        msgspec.structs.replace(
            payment, transaction_id=f"{name}-{n}", event_time=(at + pd.Timedelta(n, "ms")).to_pydatetime()
        )
        for n, payment in enumerate(payments)
    ]


def features_of(decisions):
    return np.array([[decision.features[name] for name in NAMES] for decision in decisions], np.float32)


def test_stored_embeddings_come_from_redis_into_decisions(simulation, new_world, tmp_path):
    world, table = new_world("stored"), simulation.transactions
    payments = again(list(transactions(table.iloc[-60:])), "stored", pd.Timestamp.now("UTC"))
    with world.system() as running:
        for decision in (*world.stream(payments[:10]), world.ask(running, payments[10])):
            assert (decision.ring_score, decision.degraded) == (None, ("rings",))  # nothing is embedded yet
        table.to_parquet(tmp_path / "payments.parquet")
        world.command("rings", "embed", "--data", tmp_path / "payments.parquet", "--device", "cpu")
        decisions = [*world.stream(payments[20:50]), *(world.ask(running, one) for one in payments[50:])]
    assert all(decision.degraded == () for decision in decisions)
    root = Root(Settings(redis_url=world.environment["REDIS_URL"]), world.state)
    bundle = bundle_of(world.state, world.found.bundle.version)
    with closing(StoredScores(root.embeddings())) as stored:
        expected, _ = stored.score(bundle.network, payments[20:], features_of(decisions))
    # Sums in a batch of another size may differ in the last bit.
    np.testing.assert_allclose([decision.ring_score for decision in decisions], expected, rtol=1e-6)
    assert len(set(expected)) > 20


def test_live_scores_see_what_the_worker_has_just_taken_in(simulation, new_world):
    world, table = new_world("live"), simulation.transactions
    known, *rounds = np.array_split(np.arange(len(table) - 200, len(table)), 40)
    assert len(known)
    scores = []
    with world.system() as running:
        first = again(list(transactions(table.iloc[known])), "first", pd.Timestamp.now("UTC"))
        assert all(one.ring_score is None for one in world.stream(first[:1]))  # before there is any payment
        for n, rows in enumerate(rounds):
            payments = again(list(transactions(table.iloc[rows])), f"round-{n}", pd.Timestamp.now("UTC"))
            told = [*world.stream(payments[1:]), world.ask(running, payments[0])]
            scores.append([one.ring_score for one in told if one.degraded == ()])
            if sum(map(len, scores)) > 40:
                break
            sleep(1)
    seen = [score for several in scores for score in several]
    assert all(0 < score < 1 for score in seen)
    assert len(set(seen)) > 20
