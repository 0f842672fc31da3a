"""docker-compose.yml from an empty disk to decisions and back, its services run as local processes."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import httpx
import msgspec
import psycopg
import pytest
import redis

from features.codec import encode_transaction
from features.transaction import Transaction
from models.decision import Decision
from streaming.broker import DECISIONS, TRANSACTIONS
from streaming.brokers.clients import connect
from tests.compose import missing
from tests.integration.compose_processes import running_project
from tests.integration.postgres_server import find_binaries

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1200)]
PATIENCE_S = 180.0
OURS = ("worker", "score", "explain", "rings", "refresh")
SIMULATED = "40000"


@pytest.fixture
def project():
    for program in ("redis-server", "prometheus", "java"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed")
    if find_binaries() is None:
        missing("PostgreSQL's server programs are not installed")
    if not os.environ.get("KAFKA_HOME"):
        missing("KAFKA_HOME does not name an Apache Kafka 4.x")
    # Not below pytest's own directory, which PostgreSQL's unprivileged user may not enter.
    with TemporaryDirectory(prefix="ringfence-compose-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        with running_project(Path(directory), RINGFENCE_SIMULATE=SIMULATED) as running:
            yield running


def payment(number):
    return Transaction(
        transaction_id=f"t{number}",
        event_time=datetime.now(UTC),
        card_id=f"card-{number}",
        merchant_id="shop",
        amount=12.5 + number,
        currency="EUR",
    )


def wait(what, condition):
    deadline = monotonic() + PATIENCE_S
    while not condition():
        assert monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        sleep(0.3)


def test_from_an_empty_disk_to_decisions_and_a_clean_stop(project):
    for name in ("kafka", "redis", "postgres"):
        project.start(name)
    assert "Ready to start" in project.run("init")
    replicas = project.services["worker"]["deploy"]["replicas"]
    workers = [project.start("worker", number + 1) for number in range(replicas)]
    score, explain = project.start("score"), project.start("explain")
    prometheus = project.start("prometheus")
    token = project.secret("ringfence_token")
    login = {"Authorization": f"Bearer {token}"}

    answer = httpx.post(f"{score.url('8080')}/v1/score", content=encode_transaction(payment(0)), headers=login)
    assert answer.status_code == 200, answer.text
    first = msgspec.json.decode(answer.content, type=Decision)
    asked = {"transaction_id": "t0"}
    explained = httpx.post(f"{explain.url('8081')}/v1/explain", json=asked, headers=login, timeout=60)
    assert explained.status_code == 200, explained.text
    assert explained.json()["model_version"] == first.model_version

    broker = connect(f"127.0.0.1:{project.ports['9092']}", "kafka-python")
    assert broker.topics()[TRANSACTIONS] == int(project.services["worker"]["environment"]["RINGFENCE_PARTITIONS"])
    producer = broker.producer()
    for number in range(1, 41):
        producer.send(TRANSACTIONS, encode_transaction(payment(number)), key=f"card-{number}".encode())
    producer.close()
    consumer, decided = broker.consumer([DECISIONS], "test"), {}

    def read():
        for record in consumer.poll(0.2, 100):
            decision = msgspec.json.decode(record.value, type=Decision)
            decided[decision.transaction_id] = decision
        return len(decided) == 41

    wait("every payment is decided, and the one over REST published", read)
    consumer.close()
    assert decided["t0"] == first
    assert {decision.model_version for decision in decided.values()} == {first.model_version}
    assert not any(decision.degraded for decision in decided.values())

    refresh, rings = project.start("refresh"), project.start("rings")
    wait("rings were looked for", lambda: httpx.get(f"{rings.url('8083')}/v1/rings", headers=login).status_code == 200)
    assert '"transactions":41' in refresh.said().replace(" ", "")

    own = [(score, "8080"), (explain, "8081")]
    for process, port in [*((worker, "8082") for worker in workers), *own]:
        assert f'model_version="{first.model_version}"' in metrics_of(process, port, login)
    metrics_of(rings, "8083", login)
    assert 'fraud_rings_refreshed_timestamp_seconds{job="find"}' in metrics_of(refresh, "8084", login)

    def scraped():
        found = httpx.get(f"{prometheus.url('9090')}/api/v1/query", params={"query": "up"}).json()["data"]["result"]
        return sorted((one["metric"]["job"], one["value"][1]) for one in found)

    wait("Prometheus sees all", lambda: scraped() == sorted((w, "1") for w in ["worker"] * replicas + list(OURS[1:])))
    check_stores(project)
    statuses = project.stop()
    ours = {name: status for name, status in statuses.items() if name.split("-")[0] in {*OURS, "init", "prometheus"}}
    assert set(ours.values()) == {0}, {name: project.processes[name].said()[-2000:] for name in ours if ours[name]}
    assert (statuses["redis"], statuses["postgres"]) == (0, 0)
    assert statuses["kafka"] in (0, 143)  # a JVM that ends by SIGTERM says 128 + 15
    for process in project.processes.values():
        assert "Traceback" not in process.said(), process.said()
        for name in ("ringfence_token", "redis_password", "postgres_password"):
            assert project.secret(name) not in process.said()


def metrics_of(process, port, login):
    """Read a process's metrics, which it shows to nobody else."""
    assert httpx.get(f"{process.url(port)}/metrics").status_code == 401
    shown = httpx.get(f"{process.url(port)}/metrics", headers=login)
    assert shown.status_code == 200
    return shown.text


def check_stores(project):
    """Decisions are in PostgreSQL and states in Redis, each behind its password."""
    where = f"host=127.0.0.1 port={project.ports['5432']} user=ringfence dbname=ringfence"
    with psycopg.connect(f"{where} password={project.secret('postgres_password')}") as connection:
        assert connection.execute("select count(*) from decisions").fetchone() == (41,)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(where)
    with redis.Redis(port=project.ports["6379"], password=project.secret("redis_password")) as client:
        assert client.dbsize() > 100
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    with redis.Redis(port=project.ports["6379"]) as client, pytest.raises(redis.AuthenticationError):
        client.dbsize()
