"""The edge of every service, around the web framework: request id, token, access metrics, security headers.

Plain ASGI, so that it sees everything, unknown paths and crashes included, and costs microseconds.
"""

import re
from collections.abc import Callable
from time import perf_counter
from uuid import uuid4

import structlog
from fastapi.requests import Request
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.reference import is_card_number
from services.auth import bearer_matches
from services.problems import respond, unauthorized, unexpected

log = structlog.get_logger(__name__)
OPEN_PATHS = frozenset({"/health/live", "/health/ready"})  # probes have no token
CLIENT_LEFT = 499
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# method, route, status, seconds
Observe = Callable[[str, str, int, float], None]


class Edge:
    """Wraps an ASGI application; ``observe`` is called once a request."""

    def __init__(self, app: ASGIApp, *, token: str, observe: Observe) -> None:
        if not token:
            raise ValueError("a service needs a token")
        self._app = app
        self._token = token
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens inside."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request = Request(scope)
        request_id = request.state.request_id = _request_id(request)
        answer = _Answer(send, request_id)
        path = request.url.path
        try:
            if path in OPEN_PATHS or self._knows_token(request):
                await self._app(scope, receive, answer.send)
            else:
                await respond(unauthorized(), path=path, request_id=request_id)(scope, receive, answer.send)
        except ClientDisconnect:
            answer.status = CLIENT_LEFT
        except Exception:
            log.exception("request failed", request_id=request_id, route=_route(scope))
            if not answer.status:
                await respond(unexpected(), path=path, request_id=request_id)(scope, receive, answer.send)
        finally:
            method = request.method if request.method in _METHODS else "other"
            self._observe(method, _route(scope), answer.status, perf_counter() - started)

    def _knows_token(self, request: Request) -> bool:
        return bearer_matches(request.headers.get("authorization", ""), self._token)


class _Answer:
    """Adds headers to the response on its way out and remembers its status; 0 until it has started."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers.update(SECURITY_HEADERS)
            headers["X-Request-ID"] = self._request_id
        await self._send(message)


def _request_id(request: Request) -> str:
    """Return the caller's id for the request if it is safe to log, else a new one."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) and not is_card_number(given) else uuid4().hex


def _route(scope: Scope) -> str:
    """Return the path's template: the path itself would give metrics a label per transaction."""
    return getattr(scope.get("route"), "path_format", "unknown")
