"""The brokers that the conformance suite runs on: in memory, Tansu, and the Apache Kafka that KAFKA_HOME names.

Each server is met through each client."""

import gc
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from streaming.brokers import tansu
from streaming.brokers.apache import start_apache_kafka
from streaming.brokers.confluent import ConfluentBroker
from streaming.brokers.kafka_python import KafkaBroker
from streaming.brokers.memory import MemoryBroker
from streaming.brokers.process import RunningBroker

NAMES = ["memory"] + [
    pytest.param(f"{server}-{client}", marks=pytest.mark.integration)
    for server in ("tansu", "kafka")
    for client in ("kafka-python", "confluent")
]


@dataclass
class Cluster:
    """One broker under test: ``kill`` ends it as a crash would, ``differences`` is where it departs from Kafka."""

    broker: MemoryBroker | KafkaBroker | ConfluentBroker
    kill: Callable[[], None]
    differences: frozenset[str] = frozenset()


def missing(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def start(name: str, directory: Path) -> RunningBroker:
    if name.startswith("tansu"):
        return tansu.start_tansu(directory)
    home = os.environ.get("KAFKA_HOME")
    if not home:
        missing("KAFKA_HOME does not name an Apache Kafka 4.x")
    return start_apache_kafka(Path(str(home)), directory)


def on(name: str, running: RunningBroker) -> Cluster:
    differences = frozenset(tansu.DIFFERENCES) if name.startswith("tansu") else frozenset()
    if name.endswith("confluent"):  # this client asks for a topic before it sends
        differences -= {"creates_unknown_topics"}
        return Cluster(ConfluentBroker(running.bootstrap, timeout_s=5), running.kill, differences)
    return Cluster(KafkaBroker(running.bootstrap, timeout_s=5), running.kill, differences)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RunningBroker]]:
    """Start each broker at its first use and keep it for the session."""
    running: dict[str, RunningBroker] = {}

    def get(name: str) -> RunningBroker:
        server, _ = name.split("-", 1)
        if server not in running:
            running[server] = start(server, tmp_path_factory.mktemp(server))
        return running[server]

    yield get
    for broker in running.values():
        broker.stop()


@pytest.fixture(params=NAMES)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    if request.param == "memory":
        memory = MemoryBroker()
        return Cluster(memory, memory.go_down)
    return on(request.param, request.getfixturevalue("servers")(request.param))


@pytest.fixture(params=NAMES)
def doomed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of the test's own, to be killed."""
    if request.param == "memory":
        memory = MemoryBroker()
        yield Cluster(memory, memory.go_down)
        return
    # kafka-python leaves the sockets of refused connections to the garbage collector, which warns of each. They must go
    # before the next test, where that is an error; no log record may hold on to them.
    client_log = logging.getLogger("kafka")
    level = client_log.level
    client_log.setLevel(logging.CRITICAL)
    with start(request.param, tmp_path) as running:
        yield on(request.param, running)
    client_log.setLevel(level)
    gc.collect()
