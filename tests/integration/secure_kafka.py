"""An Apache Kafka that takes nothing but secure connections: SASL_SSL with passwords, SSL with client certificates."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from streaming.brokers.apache import start_apache_kafka
from streaming.brokers.process import free_port
from tests.integration.certificates import Authority

USER, PASSWORD = "ringfence", "hush, = \"quoted\" 'pass'"


@dataclass(frozen=True)
class SecureKafka:
    """Addresses of the listeners, and the files that clients need."""

    sasl: str
    ssl: str
    authority: Path
    stranger: Path
    certificate: Path
    key: Path


@contextmanager
def running_secure_kafka(directory: Path) -> Iterator[SecureKafka]:
    """Start it with PLAIN and SCRAM-SHA-512 for one user; skips without Kafka, except under CI."""
    home = os.environ.get("KAFKA_HOME")
    if not home:
        message = "KAFKA_HOME does not name an Apache Kafka 4.x"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    authority, stranger = Authority(directory), Authority(directory, "stranger")
    certificate, key = authority.vouch("broker")
    store = directory / "broker-store.pem"
    store.write_text(key.read_text() + certificate.read_text())
    plain, sasl, ssl, controller = (free_port() for _ in range(4))
    escaped = PASSWORD.replace('"', '\\\\"')  # once for the properties file, once for the login module
    brokers = {"PLAINTEXT": plain, "SASL_SSL": sasl, "SSL": ssl}
    advertised = ",".join(f"{name}://127.0.0.1:{port}" for name, port in brokers.items())
    properties = {
        "listeners": f"{advertised},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": advertised,
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT," + ",".join(f"{name}:{name}" for name in brokers),
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": (
            f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{escaped}";'
        ),
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.file),
        "listener.name.ssl.ssl.client.auth": "required",
    }
    own = authority.vouch("client")
    with start_apache_kafka(Path(str(home)), directory / "kafka", port=plain, properties=properties):
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{plain}"})
        upsertion = UserScramCredentialUpsertion(USER, credential, PASSWORD.encode())
        admin.alter_user_scram_credentials([upsertion])[USER].result(30)
        yield SecureKafka(f"127.0.0.1:{sasl}", f"127.0.0.1:{ssl}", authority.file, stranger.file, *own)
