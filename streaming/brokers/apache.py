"""An Apache Kafka of one's own: a single KRaft node on loopback, from a distribution on disk, as a child process."""

import base64
import os
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from features.errors import BrokerUnavailable, ConfigurationError
from streaming.brokers.process import RunningBroker, check_port_free, free_port, start_broker

_FORMAT_S = 60.0
_STOP_S = 20.0


def start_apache_kafka(
    kafka_home: Path,
    directory: Path,
    *,
    port: int | None = None,
    timeout_s: float = 120.0,
    properties: Mapping[str, str] | None = None,
) -> RunningBroker:
    """Start the Kafka 4.x in ``kafka_home`` and return when it answers; use it as a context manager.

    ``directory`` is created and holds its configuration, data and ``kafka.log``; started there again, it has the data
    of before. ``properties`` adds to or replaces lines of its configuration. Raises `ConfigurationError` when there is
    no such Kafka, no Java or the port is taken, `BrokerUnavailable` when it does not start.
    """
    server, storage = _scripts(kafka_home)
    _check_java()
    if port is None:
        port = free_port()
    else:
        check_port_free(port)
    directory = directory.resolve()
    data = directory / "data"
    data.mkdir(parents=True, exist_ok=True)
    config = directory / "server.properties"
    lines = {**_properties(port, free_port(), data), **(properties or {})}
    config.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    environment = {"LOG_DIR": str(directory)}  # or the distribution writes its logs into itself
    if not (data / "meta.properties").exists():
        _format(storage, config, environment)
    return start_broker(
        [str(server), str(config)],
        port=port,
        directory=directory,
        name="kafka",
        timeout_s=timeout_s,
        grace_s=_STOP_S,
        environment=environment,
    )


def _scripts(kafka_home: Path) -> tuple[Path, Path]:
    """Return the start and the storage script of the distribution."""
    kafka_home = kafka_home.resolve()
    scripts = (kafka_home / "bin" / "kafka-server-start.sh", kafka_home / "bin" / "kafka-storage.sh")
    for script in scripts:
        if not script.is_file():
            raise ConfigurationError(
                f"There is no Apache Kafka in {kafka_home}: {script.name} is missing from its bin folder.",
                remedy="Set KAFKA_HOME to an unpacked Apache Kafka 4.x (https://kafka.apache.org/downloads).",
            )
    return scripts


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if not shutil.which("java", path=f"{home}/bin" if home else None):
        raise ConfigurationError(
            f"Apache Kafka needs Java, and there is none {f'in JAVA_HOME ({home})' if home else 'on the PATH'}.",
            remedy="Install a Java runtime, version 17 or newer (on Debian: openjdk-17-jre-headless).",
        )


def _properties(port: int, controller_port: int, data: Path) -> dict[str, str]:
    """Return the configuration of one node that is broker and controller."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller_port}",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "group.initial.rebalance.delay.ms": "0",
    }


def _format(storage: Path, config: Path, environment: Mapping[str, str]) -> None:
    """Give the data directory its cluster id, once."""
    cluster = "-"
    while cluster.startswith("-"):  # would be taken for an option
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = [str(storage), "format", "--standalone", "--cluster-id", cluster, "--config", str(config)]
    done = subprocess.run(  # noqa: S603 (the distribution's own script)
        command, env={**os.environ, **environment}, capture_output=True, timeout=_FORMAT_S, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")[-1000:].strip()
        raise BrokerUnavailable(
            f"Apache Kafka could not prepare its data directory: {said}",
            remedy="Check that the directory can be written and that Java is version 17 or newer.",
        )
