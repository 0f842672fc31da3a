"""Measures the score service on one core under load that does not wait for it."""

import os
from contextlib import ExitStack
from secrets import token_hex
from typing import Any

from features.progress import Step
from services.auth import load_or_create_token
from services.benchmarks.live import rest_load
from services.benchmarks.live.child import Child
from services.benchmarks.live.measuring import measure
from services.benchmarks.live.orders import Command
from services.benchmarks.live.running import Live, Setup, environment, ready
from services.benchmarks.live.usage import pin
from services.settings import Settings
from services.state_directory import StateDirectory
from services.system import System
from streaming.brokers.clients import cheapest
from streaming.brokers.process import free_port

WARM_UP_S = 5.0


def benchmark_rest(
    settings: Settings, state: StateDirectory, model: str | None, *, rate: float, seconds: float, step: Step
) -> dict[str, Any]:
    """Ask ``serve score``, alone on one core, for ``rate`` decisions a second; Kafka, Redis and load have the others.

    No worker runs: what was decided waits in the transactions topic. The warm-up is in no figure but ``lost``.
    ``model`` is a version or alias of the user's; without it one serves that is trained on the benchmark's payments.
    """
    cores = sorted(os.sched_getaffinity(0))
    setup = Setup(0, cheapest(), settings.partitions, model)
    with ExitStack() as stack:
        around, prepared = stack.enter_context(ready(settings, state, setup, step))
        own = prepared.root.state
        token, _ = load_or_create_token(own.token)
        system = stack.enter_context(
            System(environment(prepared.root, around, setup.client), own.logs, {"score": free_port()})
        )
        asked = rest_load.Setup(system.ports["score"], token, str(prepared.payments), f"rest-{token_hex(4)}")
        load = stack.enter_context(Child("rest_load", asked, {}))
        running = Live(setup, around, prepared, system, load, token)
        pin(system.pids["score"], cores[-1:])
        for pid in running.around.values():
            pin(pid, cores[:-1] or cores)
        found = measure(running, Command(rate, seconds, WARM_UP_S), step("asking"))
    return found | running.described() | {"service_cores": 1, "warm_up_s": WARM_UP_S}
