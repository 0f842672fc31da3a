"""The client of the score service, against a server that answers as it is told."""

import asyncio
from contextlib import closing, suppress

import pytest

from features.table import transactions
from services.benchmarks.live import rest_load
from services.benchmarks.live.arrivals import Arrivals
from services.benchmarks.live.payments import Payments
from services.benchmarks.live.rest_load import Client, Setup, content_length
from streaming.simulator import Scenario, simulate

ANSWER = b'{"transaction_id":"x","decision":"review","degraded":["features"],"score":0.5}'


def answer(status, body=ANSWER):
    return b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body


@pytest.fixture
def ask(monkeypatch):
    """Send payments to a server whose ``answers`` (by number of the request) come in two parts; return the figures."""
    monkeypatch.setattr(rest_load, "QUIET_S", 1.0)
    payments = Payments(transactions(simulate(Scenario(transactions=20)).transactions), "t-")

    def run(answers, total, rate=200.0):
        asked = []

        async def serve(reader, writer):
            with suppress(asyncio.IncompleteReadError), closing(writer):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    asked.append((head, await reader.readexactly(content_length(head))))
                    reply = answers(len(asked) - 1)
                    if reply is None:
                        return
                    writer.write(reply[:40])
                    await asyncio.sleep(0.01)
                    writer.write(reply[40:])

        async def both():
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            arrivals = Arrivals(start=rest_load.perf_counter(), rate=rate, total=total)
            await Client(Setup(port, "token", "", "t"), payments, arrivals, 5).run()
            server.close()
            await asyncio.sleep(0.05)  # the server sees its connections end
            return arrivals.figures()

        return asyncio.run(both()), asked

    return run


def test_every_payment_is_asked_for_with_the_token(ask):
    figures, asked = ask(lambda _: answer(200), 10)
    assert (figures.sent, figures.lost, figures.errors) == (10, 0, {})
    assert figures.verdicts["review"] == figures.degraded == 10
    assert all(b"Authorization: Bearer token\r\n" in head for head, _ in asked)
    assert sorted(b'"t-%d"' % (5 + number) in body for number, (_, body) in enumerate(asked)) == [True] * 10


def test_refusals_and_broken_connections_are_errors(ask):
    figures, _ = ask({0: answer(200), 1: answer(503, b"{}"), 2: None, 3: answer(200)}.__getitem__, 4, rate=20.0)
    assert figures.errors == {"503": 1, "connection": 1}
    assert sum(figures.verdicts.values()) == 2
