"""Child processes: the port, the wait for an answer, the end. The brokers are stood in for by small scripts."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from features.errors import BrokerUnavailable, ConfigurationError
from streaming.brokers.apache import start_apache_kafka
from streaming.brokers.process import RunningBroker, check_port_free, free_port, start_broker

# Answers any request with its correlation id, as a Kafka broker answers ApiVersions, and ignores SIGTERM when told to.
ANSWERS = """
import signal, socket, sys
if "stubborn" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    connection, _ = server.accept()
    connection.recv(100)
    connection.sendall(bytes([0, 0, 0, 4, 0, 0, 0, 1]))
"""


def run(directory: Path, code: str, *words: str, grace_s: float = 0) -> RunningBroker:
    port = free_port()
    command = [sys.executable, "-c", code, str(port), *words]
    return start_broker(command, port=port, directory=directory, name="fake", timeout_s=20, grace_s=grace_s)


def test_it_runs_until_its_block_ends(tmp_path: Path) -> None:
    with run(tmp_path, ANSWERS, grace_s=5) as broker:
        assert broker.process.poll() is None
        assert broker.log.read_text() == "listening\n"
        host, port = broker.bootstrap.split(":")
        with pytest.raises(ConfigurationError, match=f"Port {port}"):
            check_port_free(int(port))
    assert broker.process.returncode == -signal.SIGTERM
    broker.stop()  # again is fine
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, int(port)))


def test_a_stubborn_one_is_killed(tmp_path: Path) -> None:
    broker = run(tmp_path, ANSWERS, "stubborn", grace_s=0.2)
    broker.stop()
    assert broker.process.returncode == -signal.SIGKILL


def test_one_that_ends_early_says_why(tmp_path: Path) -> None:
    with pytest.raises(BrokerUnavailable, match=r"(?s)exit status 3.*out of cheese"):
        run(tmp_path, "import sys; print('out of cheese'); sys.exit(3)")


def test_one_that_never_answers_is_given_up_and_ended(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo $$; exec sleep 60"]
    with pytest.raises(BrokerUnavailable, match="did not answer"):
        start_broker(command, port=free_port(), directory=tmp_path, name="fake", timeout_s=1, grace_s=0)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "fake.log").read_text()), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help in this is Linux's")
def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = f"""
from pathlib import Path
from streaming.brokers.process import free_port, start_broker
import sys, time
port = free_port()
broker = start_broker([sys.executable, "-c", {ANSWERS!r}, str(port)], port=port, directory=Path({str(tmp_path)!r}),
                      name="fake", timeout_s=20, grace_s=5)
print(broker.process.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child}/stat").exists() and " Z " not in Path(f"/proc/{child}/stat").read_text():
        assert time.monotonic() < deadline, "the broker outlives its parent"
        time.sleep(0.05)


def test_kafka_without_a_distribution_or_java_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="KAFKA_HOME"):
        start_apache_kafka(tmp_path / "nowhere", tmp_path / "state")
    scripts = tmp_path / "kafka" / "bin"
    scripts.mkdir(parents=True)
    for name in ("kafka-server-start.sh", "kafka-storage.sh"):
        (scripts / name).touch()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match="version 17"):
        start_apache_kafka(tmp_path / "kafka", tmp_path / "state")
    assert not (tmp_path / "state").exists()
