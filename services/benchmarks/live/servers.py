"""The servers around the system: those that the settings name, or new ones in a directory of the benchmark's own."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from pydantic import SecretStr
from redis import Redis
from redis.exceptions import RedisError

from features.errors import ConfigurationError
from services.benchmarks.live.ownership import claim_broker, claim_ledger, claim_redis
from services.connections import KAFKA_SECURITY, kafka_security, ledger_url, redis_url
from services.settings import Settings
from services.system import end_with_parent
from streaming.brokers.apache import start_apache_kafka
from streaming.brokers.clients import cheapest, connect
from streaming.brokers.process import free_port, tail
from streaming.ledgers.sql import open_ledger

START_S = 10.0
_SECURITY = [name for name in Settings.model_fields if name.startswith(("kafka_security", "kafka_sasl", "kafka_ssl"))]


@dataclass(frozen=True, slots=True)
class Servers:
    """Settings that lead to them; ``pids`` of those that were started here; ``given`` names the others.

    ``directory`` is the benchmark's own while they run.
    """

    directory: Path
    settings: Settings
    pids: dict[str, int]
    given: list[str]


@contextmanager
def servers(settings: Settings) -> Iterator[Servers]:
    """Start what ``settings`` do not name, in a temporary directory: Apache Kafka, Redis, and a ledger on SQLite.

    Raises `ConfigurationError` where what they name is in use, or what is to be started is not installed.
    """
    pids: dict[str, int] = {}
    given = [
        name
        for name, value in (
            ("kafka", settings.kafka_bootstrap),
            ("redis", settings.redis_url),
            ("ledger", settings.ledger_url),
        )
        if value
    ]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="ringfence-benchmark-")))
        updates: dict[str, object] = {}
        if not settings.kafka_bootstrap:
            if settings.kafka_home is None:
                raise ConfigurationError(
                    "The benchmark needs Apache Kafka: neither KAFKA_HOME nor KAFKA_BOOTSTRAP is set.",
                    remedy="Point KAFKA_HOME at an unpacked Apache Kafka 4.x download (https://kafka.apache.org/downloads).",
                )
            updates |= {name: Settings.model_fields[name].default for name in _SECURITY}  # ours takes plain connections
            kafka = stack.enter_context(start_apache_kafka(settings.kafka_home, directory / "kafka"))
            updates["kafka_bootstrap"], pids["kafka"] = kafka.bootstrap, kafka.process.pid
        if not settings.redis_url:
            url, pids["redis"] = stack.enter_context(_redis(directory))
            updates |= {"redis_url": SecretStr(url), "redis_password": None, "redis_ssl_cafile": None}
        if not settings.ledger_url:
            updates |= {"ledger_url": SecretStr(f"sqlite:///{directory / 'ledger.db'}"), "ledger_password": None}
        reached = settings.model_copy(update=updates)
        _claim(reached, given)
        yield Servers(directory, reached, pids, given)


def environment(servers: Servers) -> dict[str, str]:
    """Return what leads a child process to the servers; what the environment says of those started here is undone."""
    settings = servers.settings
    found = {
        "KAFKA_BOOTSTRAP": settings.kafka_bootstrap or "",
        "REDIS_URL": settings.redis_url.get_secret_value() if settings.redis_url else "",
        "LEDGER_URL": settings.ledger_url.get_secret_value() if settings.ledger_url else "",
    }
    if "kafka" not in servers.given:
        found |= dict.fromkeys(KAFKA_SECURITY, "")
    if "redis" not in servers.given:
        found |= dict.fromkeys(("REDIS_URL_FILE", "REDIS_PASSWORD", "REDIS_PASSWORD_FILE", "REDIS_SSL_CAFILE"), "")
    if "ledger" not in servers.given:
        found |= dict.fromkeys(("LEDGER_URL_FILE", "LEDGER_PASSWORD", "LEDGER_PASSWORD_FILE"), "")
    return found


def _claim(settings: Settings, given: list[str]) -> None:
    """Make sure that what was given is no system in use."""
    if "kafka" in given:
        broker = connect(settings.kafka_bootstrap or "", cheapest(), security=kafka_security(settings))
        claim_broker(broker)
        broker.close()
    if "redis" in given:
        with Redis.from_url(redis_url(settings) or "") as client:
            claim_redis(client)
    if "ledger" in given:
        ledger = open_ledger(ledger_url(settings, Path()))
        claim_ledger(ledger)
        ledger.close()


@contextmanager
def _redis(directory: Path) -> Iterator[tuple[str, int]]:
    """Start a redis-server as one would deploy it, with its append-only file; yield its URL and process id."""
    program = shutil.which("redis-server")
    if program is None:
        raise ConfigurationError(
            "The benchmark needs Redis: there is no redis-server on the PATH, and REDIS_URL is not set.",
            remedy="Install it (on Debian: apt-get install redis-server).",
        )
    port, log = free_port(), directory / "redis.log"
    options = f"--port {port} --bind 127.0.0.1 --appendonly yes --appendfsync everysec --logfile {log.name}".split()
    process = subprocess.Popen(  # noqa: S603 a fixed command
        [program, *options, "--save", "", "--dir", str(directory)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=end_with_parent,  # noqa: PLW1509 one call that takes no lock
    )
    try:
        url, deadline = f"redis://127.0.0.1:{port}/0", monotonic() + START_S
        while not _answers(url):
            if process.poll() is not None or monotonic() > deadline:
                words = tail(log) if log.exists() else "(nothing)"
                raise ConfigurationError(f"redis-server did not start. Its log ends with: {words}")
            sleep(0.02)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with Redis.from_url(url, socket_timeout=1) as client:
            return bool(client.ping())
    except RedisError:
        return False
