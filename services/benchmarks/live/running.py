"""Starts everything that a stream under load is made of: servers, workers and the load."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import httpx

from features.engine import FeatureEngine
from features.progress import Step
from monitoring.reading import Samples, read
from services.auth import load_or_create_token
from services.benchmarks.live import load
from services.benchmarks.live.child import Child
from services.benchmarks.live.prepared import Prepared, prepare
from services.benchmarks.live.servers import Servers, servers
from services.benchmarks.live.servers import environment as around_environment
from services.composition import Root
from services.settings import Settings
from services.state_directory import StateDirectory
from services.system import System
from streaming.broker import DECISIONS, TRANSACTIONS
from streaming.brokers.clients import Client, cheapest
from streaming.brokers.process import free_port


@dataclass(frozen=True, slots=True)
class Setup:
    """What is measured."""

    workers: int
    client: Client
    partitions: int
    model: str | None = None  # a version or alias of the user's; one trained on the benchmark's payments otherwise


@dataclass(frozen=True, slots=True)
class Live:
    """Everything that runs while it is measured."""

    setup: Setup
    servers: Servers
    prepared: Prepared
    system: System
    load: Child
    token: str

    @property
    def measured(self) -> dict[str, int]:
        """Process ids of the workers, or of the service."""
        return self.system.pids

    @property
    def around(self) -> dict[str, int]:
        """Process ids of what was started besides them."""
        return self.servers.pids | {"load": self.load.pid}

    def metrics(self) -> list[Samples]:
        """Return each worker's metrics."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return [read(httpx.get(f"{self.system.url(name)}/metrics", headers=headers).text) for name in self.measured]

    def described(self) -> dict[str, Any]:
        """Say what was measured and on what."""
        bundle = self.prepared.bundle
        return {
            "model": bundle.version,
            "ring_model": bundle.ring_model,
            "client": self.setup.client,
            "load_client": cheapest(),
            "workers": self.setup.workers,
            "partitions": self.setup.partitions,
            "given": self.servers.given,
            "cores": os.cpu_count(),
        }


@contextmanager
def ready(settings: Settings, state: StateDirectory, setup: Setup, step: Step) -> Iterator[tuple[Servers, Prepared]]:
    """Start the servers, and make ready what is to run on them; stop them at the end."""
    with servers(settings) as around:
        settled = around.settings.model_copy(update={"partitions": setup.partitions})
        prepared = prepare(state, settled, step, setup.model)
        broker = prepared.root.broker()
        prepared.root.topics(broker)
        broker.close()
        FeatureEngine().warm_up()  # compiles once where the processes would each compile for themselves
        yield around, prepared


@contextmanager
def live(settings: Settings, state: StateDirectory, setup: Setup, step: Step) -> Iterator[Live]:
    """Start servers, workers and load, everything warm; stop them at the end."""
    with ExitStack() as stack:
        around, prepared = stack.enter_context(ready(settings, state, setup, step))
        token, _ = load_or_create_token(prepared.root.state.token)
        system = stack.enter_context(workers(prepared.root, around, setup))
        sender = stack.enter_context(stream_load(prepared, around))
        yield Live(setup, around, prepared, system, sender, token)


def stream_load(
    prepared: Prepared, around: Servers, transactions: str = TRANSACTIONS, decisions: str = DECISIONS
) -> Child:
    """Return the load process of the stream, to be started."""
    setup = load.Setup(
        prepared.root.bootstrap, cheapest(), str(prepared.payments), f"load-{token_hex(4)}", transactions, decisions
    )
    return Child("load", setup, around_environment(around))


def workers(root: Root, around: Servers, setup: Setup) -> System:
    """Return the workers, to be started."""
    names = ["worker", *(f"worker-{number}" for number in range(2, setup.workers + 1))]
    return System(environment(root, around, setup.client), root.state.logs, {name: free_port() for name in names})


def environment(root: Root, around: Servers, client: Client) -> dict[str, str]:
    """Return the settings of the processes that are measured; event times run ahead of the clock."""
    return around_environment(around) | {
        "RINGFENCE_STATE": str(root.state.path),
        "RINGFENCE_KAFKA_CLIENT": client,
        "RINGFENCE_PARTITIONS": str(root.settings.partitions),
        "RINGFENCE_ALLOW_PAST_AND_FUTURE": "true",
        # They answer to the token of the benchmark's own state.
        "RINGFENCE_TOKEN": "",
        "RINGFENCE_TOKEN_FILE": "",
    }
