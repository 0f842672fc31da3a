"""Whether a broker is there, and why not."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from features.errors import BrokerUnavailable
from streaming.brokers.reach import API_VERSIONS, wait_until_reachable


@contextmanager
def answering(*pieces: bytes) -> Iterator[str]:
    """A server on loopback that hears one greeting out, says ``pieces`` one by one and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                assert connection.recv(100) == API_VERSIONS
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(0.05)

        thread = Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def test_an_answer_may_come_in_pieces() -> None:
    with answering(b"\0\0\0\x10\0", b"\0\0\x01more") as address:
        wait_until_reachable([address], 5)


@pytest.mark.parametrize(("said", "reason"), [(b"HTTP/1.1 400", "no Kafka answer"), (b"\0\0", "closed by the other")])
def test_a_server_that_speaks_something_else_is_no_broker(said: bytes, reason: str) -> None:
    with answering(said) as address, pytest.raises(BrokerUnavailable, match=reason) as caught:
        wait_until_reachable([address], 0)
    assert "KAFKA_SECURITY_PROTOCOL" in caught.value.remedy


def test_one_broker_of_several_is_enough() -> None:
    with answering(b"\0\0\0\x10\0\0\0\x01") as address:
        wait_until_reachable(["127.0.0.1:1", address], 5)
