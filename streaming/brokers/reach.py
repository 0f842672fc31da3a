"""Is anybody there? Asked before a client is made: one that cannot connect leaves a thread and its sockets behind.

It is also the place that can say why: both clients turn an untrusted certificate into a timeout.
"""

import socket
import ssl
import struct
import time
from collections.abc import Sequence

from features.errors import BrokerUnavailable, ConfigurationError

API_VERSIONS = struct.pack(">ihhih9s", 19, 18, 0, 1, 9, b"ringfence")  # version 0, which every broker answers
_ANSWERED = struct.pack(">i", 1)
_PAUSE_S = 0.2
_DEFAULT_PORT = 9092


def parse_servers(bootstrap: str) -> list[str]:
    """Split ``bootstrap``, addresses separated by commas; raises `ConfigurationError` when there is none."""
    servers = [server.strip() for server in bootstrap.split(",") if server.strip()]
    if not servers:
        raise ConfigurationError("No Kafka broker is named.", remedy="Set KAFKA_BOOTSTRAP to host:port.")
    return servers


def wait_until_reachable(servers: Sequence[str], timeout_s: float, tls: ssl.SSLContext | None = None) -> None:
    """Return when one of ``servers`` (``host:port``) speaks Kafka, through TLS where ``tls`` is given.

    Raises `BrokerUnavailable` after ``timeout_s`` seconds, or at once where those that answer cannot be trusted;
    `ConfigurationError` for an address that is none.
    """
    addresses = [_address(server) for server in servers]
    deadline = time.monotonic() + timeout_s
    while True:
        reasons, untrusted = [], []
        for address in addresses:
            try:
                greet(address, max(deadline - time.monotonic(), _PAUSE_S), tls)
            except ssl.SSLCertVerificationError as error:
                untrusted.append(error.verify_message.rstrip("."))
            except OSError as error:
                reasons.append(_reason(error))
            else:
                return
        if untrusted:
            raise BrokerUnavailable(
                f"No Kafka broker at {', '.join(servers)} shows a certificate that is trusted: {_listed(untrusted)}.",
                remedy="Check that KAFKA_SSL_CAFILE holds the authority that signed it, and that the certificate is "
                "for the name in KAFKA_BOOTSTRAP.",
            )
        if time.monotonic() >= deadline:
            raise BrokerUnavailable(
                f"No Kafka broker answers at {', '.join(servers)}: {_listed(reasons)}.",
                remedy="Check that it runs, that KAFKA_BOOTSTRAP names it, and that KAFKA_SECURITY_PROTOCOL is right.",
            )
        time.sleep(_PAUSE_S)


def greet(address: tuple[str, int], timeout_s: float, tls: ssl.SSLContext | None = None) -> None:
    """Return when ``address`` has answered as a Kafka broker does; raises OSError otherwise."""
    with socket.create_connection(address, timeout=timeout_s) as raw:
        if tls is None:
            _exchange(raw)
            return
        with tls.wrap_socket(raw, server_hostname=address[0]) as connection:
            _exchange(connection)


def _exchange(connection: socket.socket) -> None:
    connection.sendall(API_VERSIONS)
    answer = b""
    while len(answer) < 8:
        more = connection.recv(8 - len(answer))
        if not more:
            raise ConnectionError("closed by the other side, as by one that wants TLS, or none, or a certificate")
        answer += more
    if answer[4:] != _ANSWERED:
        raise ConnectionError("no Kafka answer")


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS fails: {(error.reason or type(error).__name__).replace('_', ' ').lower()}"
    return error.strerror or str(error) or type(error).__name__


def _listed(reasons: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(reasons))


def _address(server: str) -> tuple[str, int]:
    """Split ``host:port``, ``[v6]:port`` or ``host``."""
    host, colon, port = server.rpartition(":")
    if not colon or server.endswith("]"):
        host, port = server, str(_DEFAULT_PORT)
    if not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ConfigurationError(f"{server!r} is no broker address.", remedy="Write host:port in KAFKA_BOOTSTRAP.")
    return host.strip("[]"), int(port)
