"""Metrics for Prometheus to scrape, and a small server for processes that have no other: the worker.

It answers GET only, on ``/metrics`` (bearer token), ``/health/live`` and ``/health/ready`` (open: probes have no
token), one short request a connection.
"""

import hmac
import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from threading import BoundedSemaphore, Thread
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from features.errors import ConfigurationError

# Reasons for not being live or ready; empty when all is well.
Check = Callable[[], Sequence[str]]

TIMEOUT_S = 5.0
MAX_CONNECTIONS = 16
_JSON = "application/json"


def render(registry: CollectorRegistry) -> tuple[bytes, str]:
    """Return the text exposition and its media type."""
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


def serve_operations(
    registry: CollectorRegistry,
    *,
    token: str | None,
    live: Check,
    ready: Check,
    host: str = "127.0.0.1",
    port: int = 0,
) -> "OperationsServer":
    """Serve metrics and health in a daemon thread until closed.

    Args:
        registry: what ``/metrics`` shows.
        token: the bearer token that ``/metrics`` asks for; None leaves it open to whoever reaches the port.
        live: reasons for restarting the process; it should look at nothing outside.
        ready: reasons for sending no work yet.
        host: address to listen on; loopback unless said otherwise.
        port: TCP port; 0 takes a free one, which `OperationsServer.port` tells.

    Raises:
        ConfigurationError: the port is taken or the address is not this machine's; or the token is empty.

    """
    if token == "":
        raise ConfigurationError("The operations server has an empty token.", remedy="Give it a token, or None.")
    try:
        return OperationsServer((host, port), registry, token, {"/health/live": live, "/health/ready": ready})
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"Metrics and health cannot be served on {host}:{port}: {error}.",
            remedy="Choose another port, or 0 for a free one; stop the process that has it.",
        ) from error


class OperationsServer(ThreadingHTTPServer):
    """Made by `serve_operations`; `close` it at the end."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64  # with the default of 5, a burst of probes waits a second for the kernel to try again

    def __init__(
        self, address: tuple[str, int], registry: CollectorRegistry, token: str | None, checks: dict[str, Check]
    ) -> None:
        super().__init__(address, _Handler)
        self.registry = registry
        self.checks = checks
        self._token = None if token is None else token.encode()
        self._places = BoundedSemaphore(MAX_CONNECTIONS)
        self._thread = Thread(target=self.serve_forever, args=(0.1,), name="operations", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The TCP port listened on."""
        return int(self.server_address[1])

    def close(self) -> None:
        """Stop serving and free the port."""
        self.shutdown()
        self._thread.join()
        self.server_close()

    def knows(self, authorization: str) -> bool:
        """Whether the header carries the token; compared in constant time."""
        scheme, _, given = authorization.partition(" ")
        if self._token is None:
            return True
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a connection in its own thread; one too many is closed at once instead of piling up."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Give the place back when the connection is done."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """A client that goes away or sends nonsense concerns nobody else."""


class _Handler(BaseHTTPRequestHandler):
    server: OperationsServer
    timeout = TIMEOUT_S  # seconds that a silent client may take

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in self.server.checks:
            reasons = _reasons(self.server.checks[path])
            body = {"status": "unavailable", "reasons": reasons} if reasons else {"status": "ok"}
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK, json.dumps(body).encode(), _JSON)
        elif path != "/metrics":
            self.send_error(HTTPStatus.NOT_FOUND)
        elif not self.server.knows(self.headers.get("Authorization", "")):
            self.send_error(HTTPStatus.UNAUTHORIZED)
        else:
            self._answer(HTTPStatus.OK, *render(self.server.registry))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 - the base class has them
        """Answer with a problem (RFC 9457) that repeats nothing of the request."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            code = HTTPStatus.METHOD_NOT_ALLOWED  # how the base class answers methods without a do_ method
        title = HTTPStatus(code).phrase
        problem = {"type": "about:blank", "title": title, "status": int(code)}
        self._answer(HTTPStatus(code), json.dumps(problem).encode(), "application/problem+json")

    def _answer(self, status: HTTPStatus, body: bytes, media_type: str) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """Name the program and nothing about its version."""
        return "ringfence"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Scrapes and probes come every few seconds: no log lines for them."""


def _reasons(check: Check) -> list[str]:
    try:
        return [str(reason) for reason in check()]
    except Exception as error:  # a check that fails says no, and must not take the answer with it
        return [f"the check failed: {type(error).__name__}"]
