import http.client
import json
import socket
import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from features.errors import ConfigurationError
from monitoring.exposition import MAX_CONNECTIONS, OperationsServer, render, serve_operations
from monitoring.metrics import Metrics

TOKEN = "a-token-that-is-only-for-this-test"


class Health:
    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.broken = False

    def __call__(self) -> list[str]:
        if self.broken:
            raise RuntimeError("4111111111111111")
        return self.reasons


@pytest.fixture
def ready() -> Health:
    return Health()


@pytest.fixture
def registry() -> CollectorRegistry:
    return Metrics(CollectorRegistry()).registry


@pytest.fixture
def server(registry: CollectorRegistry, ready: Health) -> Iterator[OperationsServer]:
    server = serve_operations(registry, token=TOKEN, live=list, ready=ready)
    yield server
    server.close()


def ask(
    server: OperationsServer, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request(method, path, headers=headers or {})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, dict(response.getheaders()), body


def test_metrics_need_the_token(server: OperationsServer, registry: CollectorRegistry) -> None:
    for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "é"}):
        status, headers, body = ask(server, "/metrics", headers=wrong)
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert b"fraud_" not in body
    status, headers, body = ask(server, "/metrics", headers={"Authorization": f"bearer {TOKEN}"})
    assert (status, headers["Content-Type"]) == (200, render(registry)[1])
    assert b'fraud_decisions_total{decision="approve",origin="stream"} 0.0' in body


def test_metrics_may_be_opened_on_purpose(registry: CollectorRegistry) -> None:
    server = serve_operations(registry, token=None, live=list, ready=list)
    assert ask(server, "/metrics")[0] == 200
    server.close()


def test_health_is_open_and_tells_why_not(server: OperationsServer, ready: Health) -> None:
    assert ask(server, "/health/live")[0] == 200
    assert json.loads(ask(server, "/health/ready")[2]) == {"status": "ok"}
    ready.reasons = ["the model is loading"]
    status, _, body = ask(server, "/health/ready?verbose")
    assert (status, json.loads(body)["reasons"]) == (503, ["the model is loading"])
    ready.broken = True
    status, _, body = ask(server, "/health/ready")
    assert (status, b"4111" in body) == (503, False)
    assert ask(server, "/health/live")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/metrics", 405), ("HEAD", "/health/live", 405), ("DELETE", "/nothing", 405), ("GET", "/nothing", 404)],
)
def test_nothing_else_is_answered(server: OperationsServer, method: str, path: str, status: int) -> None:
    got, headers, body = ask(server, path, method)
    assert (got, headers["Content-Type"], headers["Server"]) == (status, "application/problem+json", "ringfence")
    if method != "HEAD":
        assert json.loads(body)["status"] == status


def test_nonsense_and_silent_clients_do_not_stop_it(server: OperationsServer) -> None:
    crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(MAX_CONNECTIONS)]
    crowd[0].sendall(b"\x16\x03\x01 nonsense \r\n\r\n")
    crowd[0].settimeout(5)
    while crowd[0].recv(4096):
        pass
    with (
        socket.create_connection(("127.0.0.1", server.port)) as late,
        socket.create_connection(("127.0.0.1", server.port)) as too_late,
    ):
        late.settimeout(5)
        too_late.settimeout(5)
        assert too_late.recv(10) == b""  # turned away at once
    for client in crowd:
        client.close()
    for _ in range(100):
        try:
            assert ask(server, "/health/live")[0] == 200
            break
        except OSError:  # the crowd is still leaving
            time.sleep(0.02)
    else:
        pytest.fail("the server did not recover")


def test_a_port_that_is_taken_is_told(server: OperationsServer, registry: CollectorRegistry) -> None:
    with pytest.raises(ConfigurationError, match=str(server.port)):
        serve_operations(registry, token=TOKEN, live=list, ready=list, port=server.port)
    with pytest.raises(ConfigurationError):
        serve_operations(registry, token=TOKEN, live=list, ready=list, port=70_000)
    with pytest.raises(ConfigurationError, match="empty token"):
        serve_operations(registry, token="", live=list, ready=list)


def test_a_closed_server_frees_its_port(registry: CollectorRegistry) -> None:
    first = serve_operations(registry, token=TOKEN, live=list, ready=list)
    port = first.port
    first.close()
    second = serve_operations(registry, token=TOKEN, live=list, ready=list, port=port)
    assert ask(second, "/health/live")[0] == 200
    second.close()
