"""Serving over a real socket: ports, stopping, and a refusal that reaches a client which sends too much."""

import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from features.errors import ConfigurationError
from services.serving import run
from tests.unit.services.client import TOKEN
from tests.unit.services.worlds import World, payment

AUTH = {"Authorization": f"Bearer {TOKEN}"}
PROCESS = """
import asyncio
from fastapi import FastAPI
from services.serving import run

app = FastAPI(title="slow")

@app.get("/")
async def slow():
    print("asked", flush=True)
    await asyncio.sleep(0.5)
    return "answered"

run(app, "127.0.0.1", 0, on_start=lambda port: print(port, flush=True))
print("put away", flush=True)
"""


@pytest.fixture(scope="module")
def served():
    world, stop, ports = World(), threading.Event(), []
    world.scoring.warm_up()
    options = {"on_start": ports.append, "stop": stop}
    thread = threading.Thread(target=run, args=(world.score.app, "127.0.0.1", 0), kwargs=options)
    thread.start()
    deadline = time.monotonic() + 20
    while not ports:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield f"http://127.0.0.1:{ports[0]}"
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def test_port_0_takes_a_free_one_and_says_which(served):
    response = httpx.post(f"{served}/v1/score", json=payment(), headers=AUTH)
    assert response.status_code == 200
    assert "server" not in response.headers


def test_a_megabyte_gets_its_refusal_and_not_a_broken_connection(served):
    for content in (b" " * 1_000_000, iter([b" " * 250_000] * 4)):
        headers = {**AUTH, "Content-Type": "application/json"}
        response = httpx.post(f"{served}/v1/score", content=content, headers=headers)
        assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_a_port_that_is_taken_is_a_configuration_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Cannot listen on 127.0.0.1:{port}") as error:
            run(World().score.app, "127.0.0.1", port)
    assert error.value.remedy


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_finish_and_returns_to_the_caller(number):
    with subprocess.Popen([sys.executable, "-c", PROCESS], stdout=subprocess.PIPE, text=True) as process:
        port = int(_next_number(process.stdout))
        answers = []
        asking = threading.Thread(target=lambda: answers.append(httpx.get(f"http://127.0.0.1:{port}/").json()))
        asking.start()
        assert process.stdout.readline().strip() == "asked"
        process.send_signal(number)
        asking.join(20)
        rest = process.stdout.read()
        assert process.wait(20) == 0
    assert answers == ["answered"]
    assert "put away" in rest


def _next_number(lines):
    return next(line for line in lines if line.strip().isdigit())
