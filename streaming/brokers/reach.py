"""Is anybody there? Asked before a client is made: one that cannot connect leaves a thread and its sockets behind."""

import socket
import time
from collections.abc import Sequence

from features.errors import BrokerUnavailable, ConfigurationError

_PAUSE_S = 0.2
_DEFAULT_PORT = 9092


def parse_servers(bootstrap: str) -> list[str]:
    """Split ``bootstrap``, addresses separated by commas; raises `ConfigurationError` when there is none."""
    servers = [server.strip() for server in bootstrap.split(",") if server.strip()]
    if not servers:
        raise ConfigurationError("No Kafka broker is named.", remedy="Set KAFKA_BOOTSTRAP to host:port.")
    return servers


def wait_until_reachable(servers: Sequence[str], timeout_s: float) -> None:
    """Return when one of ``servers`` (``host:port``) takes a TCP connection.

    Raises `BrokerUnavailable` after ``timeout_s`` seconds, `ConfigurationError` for an address that is none.
    """
    addresses = [_address(server) for server in servers]
    deadline = time.monotonic() + timeout_s
    while True:
        reasons = []
        for address in addresses:
            try:
                socket.create_connection(address, timeout=max(deadline - time.monotonic(), _PAUSE_S)).close()
            except OSError as error:
                reasons.append(error.strerror or type(error).__name__)
            else:
                return
        if time.monotonic() >= deadline:
            raise BrokerUnavailable(
                f"No Kafka broker answers at {', '.join(servers)}: {', '.join(dict.fromkeys(reasons))}.",
                remedy="Check that it runs and that KAFKA_BOOTSTRAP names it.",
            )
        time.sleep(_PAUSE_S)


def _address(server: str) -> tuple[str, int]:
    """Split ``host:port``, ``[v6]:port`` or ``host``."""
    host, colon, port = server.rpartition(":")
    if not colon or server.endswith("]"):
        host, port = server, str(_DEFAULT_PORT)
    if not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ConfigurationError(f"{server!r} is no broker address.", remedy="Write host:port in KAFKA_BOOTSTRAP.")
    return host.strip("[]"), int(port)
