"""`ringfence worker` as it is deployed, killed and frozen under load."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from time import sleep

import pytest

from services.composition import WORKER_GROUP
from services.state_directory import open_state
from tests.unit.services.trained import install_editions

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[3]
START_S = 300.0  # Feast takes its time to import, and longer on a busy machine


def test_the_command_survives_being_killed_and_frozen(start_world, tmp_path):
    world = start_world("postgresql", group=WORKER_GROUP)
    state = open_state(tmp_path / "state")
    install_editions(state, 1)
    environment = os.environ | {
        "RINGFENCE_STATE": str(tmp_path / "state"),
        "KAFKA_BOOTSTRAP": world.setup.bootstrap,
        "REDIS_URL": world.setup.redis_url,
        "LEDGER_URL": world.setup.ledger_url,
        "RINGFENCE_WORKER_PORT": "0",
        "RINGFENCE_STORE_TIMEOUT_MS": "2000",
        "PYTHONPATH": str(ROOT),
    }
    with ExitStack() as stack:
        log = tmp_path / "worker.log"

        def start():
            output = stack.enter_context(log.open("ab"))
            process = subprocess.Popen([sys.executable, "-m", "services.cli", "worker"], env=environment, stderr=output)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        workers = [start() for _ in range(3)]
        world.fleet.wait("all work", lambda: log.read_text().count('"event": "working"') == 3, START_S)
        with world.load(most=9000):
            world.fleet.wait("payments are decided", lambda: world.decided() > 500)
            workers[0].kill()
            workers[1].send_signal(signal.SIGSTOP)
            sleep(12)  # longer than a session
            before = world.decided()
            world.fleet.wait("the third goes on", lambda: world.decided() > before + 500)
            workers[1].send_signal(signal.SIGCONT)
        world.fleet.wait("all is decided", lambda: world.decided() >= len(world.stream.payments))
        world.finish(with_fleet=False)
        for worker in workers[1:]:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0
    world.check()
