"""The servers of the fault tests: one Kafka and one PostgreSQL for all of them, a Redis and a ledger for each."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from streaming.broker import TOPICS
from streaming.brokers.apache import start_apache_kafka
from streaming.brokers.confluent import ConfluentBroker
from streaming.brokers.process import RunningBroker
from tests.integration.faults.worker_main import Setup
from tests.integration.faults.world import World
from tests.integration.postgres_server import PostgresServer, running_postgres
from tests.integration.redis_server import RedisServer, require_redis

PROPERTIES = {"group.min.session.timeout.ms": "500"}
Start = Callable[..., World]


def start_kafka(directory: Path, port: int | None = None) -> RunningBroker:
    """Start the Kafka of KAFKA_HOME; without one skip, or fail under CI."""
    home = os.environ.get("KAFKA_HOME")
    if not home:
        message = "KAFKA_HOME does not name an Apache Kafka 4.x"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return start_apache_kafka(Path(home), directory, port=port, properties=PROPERTIES)


@pytest.fixture(scope="package")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with start_kafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running


class MortalKafka:
    """A Kafka of the test's own, to be killed and restarted in the same place."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running = start_kafka(directory)
        self.bootstrap = self._running.bootstrap

    def kill(self) -> None:
        self._running.kill()

    def restart(self) -> None:
        self._running = start_kafka(self._directory, port=int(self.bootstrap.rsplit(":", 1)[1]))

    def stop(self) -> None:
        self._running.stop()


@pytest.fixture
def mortal_kafka(tmp_path: Path) -> Iterator[MortalKafka]:
    kafka = MortalKafka(tmp_path / "kafka")
    yield kafka
    kafka.stop()


@pytest.fixture(scope="package")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def start_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Open a world on fresh topics, an empty Redis and an empty ledger: ``start_world(ledger="postgresql")``."""
    require_redis()
    with ExitStack() as stack:

        def start(ledger: str = "sqlite", bootstrap: str | None = None, **setup: object) -> World:
            if bootstrap is None:
                bootstrap = request.getfixturevalue("kafka").bootstrap
                _drop_topics(bootstrap)
            redis = RedisServer(tmp_path)
            redis.start()
            stack.callback(redis.kill)
            url = f"sqlite:///{tmp_path}/ledger.db"
            if ledger == "postgresql":
                url = request.getfixturevalue("postgres").new_database(f"faults_{uuid.uuid4().hex}")
            world = World(redis, Setup(bootstrap, redis.url, url, str(tmp_path / "feast"), **setup), tmp_path)
            return stack.enter_context(world)

        yield start


def _drop_topics(bootstrap: str) -> None:
    """Leave nothing of the test before."""
    broker = ConfluentBroker(bootstrap)
    if present := [topic for topic in broker.topics() if topic in TOPICS]:
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for future in admin.delete_topics(present).values():
            future.result(30)
        while set(broker.topics()) & set(TOPICS):
            pass
