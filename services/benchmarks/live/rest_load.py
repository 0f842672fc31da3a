"""The load on the score service, a process of its own: requests when they are due, over connections kept open."""

import asyncio
import gc
import sys
from collections import deque
from pathlib import Path
from time import perf_counter

import msgspec

from services.benchmarks.live.arrivals import Arrivals, Figures
from services.benchmarks.live.load import Decided
from services.benchmarks.live.orders import PROGRESS_S, Command, Report, obey, say, tell
from services.benchmarks.live.payments import Payments, read_payments

CONNECTIONS = 128  # at most; a request that finds none free waits, and that counts as latency
TICK_S = 0.0005
QUIET_S = 10.0
END_OF_HEAD = b"\r\n\r\n"


class Setup(msgspec.Struct, frozen=True):
    """What it is started with."""

    port: int
    token: str
    payments: str
    run: str


class Connection(asyncio.Protocol):
    """One connection on which one request at a time is under way; `ask` starts it, the client hears of the answer."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._buffer = b""
        self._number = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # that of a TCP connection

    def ask(self, number: int, request: bytes) -> None:
        """Send the request of payment ``number``."""
        self._number = number
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take a part of the answer; hand it on when it is whole."""
        self._buffer += data
        head, found, body = self._buffer.partition(END_OF_HEAD)
        if found and len(body) >= content_length(head):
            now, number = perf_counter(), self._number
            self._buffer, self._number = b"", -1
            self._client.answered(self, number, int(head[9:12]), body, now)

    def connection_lost(self, _: Exception | None) -> None:
        """Count a request that gets no answer any more."""
        self._client.lost(self, self._number)

    def close(self) -> None:
        """Close it."""
        self._transport.close()


class Client:
    """Sends requests when they are due, each on a free connection, opened where there is none."""

    def __init__(self, setup: Setup, payments: Payments, arrivals: Arrivals, first: int) -> None:
        self._port = setup.port
        self._head = (
            f"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1:{setup.port}\r\nAuthorization: Bearer {setup.token}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        self._payments = payments
        self._arrivals = arrivals
        self._first = first
        self._decode = msgspec.json.Decoder(Decided).decode
        self._free: list[Connection] = []
        self._open = 0
        self._waiting: deque[int] = deque()

    async def run(self) -> None:
        """Send every payment of the command, then wait for the last answers."""
        told = 0.0
        for number, due in enumerate(self._arrivals.due.tolist()):
            while (wait := due - perf_counter()) > 0:
                await asyncio.sleep(max(wait, TICK_S))
            if number == self._arrivals.warm_up:
                say(Report("measuring"))
            self._arrivals.was_sent(-wait)
            self._waiting.append(number)
            await self._send()
            if due - told > PROGRESS_S:
                told = due
                tell(self._arrivals)
        until = perf_counter() + QUIET_S
        while self._arrivals.in_flight > sum(self._arrivals.errors.values()) and perf_counter() < until:
            await asyncio.sleep(0.01)
        for connection in self._free:
            connection.close()

    async def _send(self) -> None:
        if not self._free and self._open < CONNECTIONS:
            self._open += 1
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self._port)
            self._free.append(connection)
        self._serve_waiting()

    def _serve_waiting(self) -> None:
        while self._free and self._waiting:
            number = self._waiting.popleft()
            _, body = self._payments[self._first + number]
            self._free.pop().ask(number, b"%b%d\r\n\r\n%b" % (self._head, len(body), body))

    def answered(self, connection: Connection, number: int, status: int, body: bytes, now: float) -> None:
        """Enter an answer; the connection is free again."""
        if status == 200:
            decided = self._decode(body)
            self._arrivals.decision(number, decided.decision, bool(decided.degraded), now)
        else:
            self._arrivals.errors[str(status)] += 1
        self._free.append(connection)
        self._serve_waiting()

    def lost(self, connection: Connection, number: int) -> None:
        """Forget a connection that was closed."""
        self._open -= 1
        if connection in self._free:
            self._free.remove(connection)
        if number >= 0:
            self._arrivals.errors["connection"] += 1


def content_length(head: bytes) -> int:
    """Return the length that the head of an answer gives for its body."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


class Load:
    """Runs commands one after the other; payments are numbered through all of them."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._payments = read_payments(Path(setup.payments), f"{setup.run}-")
        self._sent = 0
        gc.collect()
        gc.freeze()  # a pass over all payments would stop the sender and look like latency

    def run(self, command: Command) -> Figures:
        """Send what ``command`` says and return what came of it."""
        arrivals = command.arrivals(perf_counter() + 0.05)
        asyncio.run(Client(self._setup, self._payments, arrivals, self._sent).run())
        self._sent += arrivals.sent
        return arrivals.figures()


def main() -> None:
    """Set up by the first argument, then obey standard input until it ends."""
    obey(Load(msgspec.json.decode(sys.argv[1], type=Setup)).run)


if __name__ == "__main__":
    main()
