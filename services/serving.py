"""Runs a service on uvicorn until SIGTERM or Ctrl-C; requests under way are answered first."""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from features.errors import ConfigurationError

log = structlog.get_logger(__name__)
GRACE_S = 10  # for requests under way when the process is told to stop
KEEP_ALIVE_S = 30
BACKLOG = 512


def run(
    app: FastAPI,
    host: str,
    port: int,
    *,
    on_start: Callable[[int], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve ``app`` until SIGTERM, Ctrl-C or ``stop``, then return: the caller puts its collaborators away.

    ``port`` 0 takes a free one; the port is logged and given to ``on_start`` once connections are accepted. Raises
    `ConfigurationError` when the address cannot be bound. In a thread other than the main one, only ``stop`` ends it.
    """
    listener = _bind(host, port)
    bound: int = listener.getsockname()[1]

    def announce() -> None:
        log.info("serving", service=app.title, host=host, port=bound)
        if on_start:
            on_start(bound)

    server = _Server(_config(app), announce, stop or threading.Event())
    with listener, asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(server.serve([listener]))
    log.info("stopped", service=app.title)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None], stop: threading.Event) -> None:
        super().__init__(config)
        self._announce = announce
        self._stop = stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()

    async def on_tick(self, counter: int) -> bool:
        return self._stop.is_set() or await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on signals. uvicorn's own version raises them again at the end and so skips the caller's clean-up."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}.",
            remedy="Choose another address or port, or stop what listens there; port 0 takes a free one.",
        ) from error
