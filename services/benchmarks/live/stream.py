"""Measures the stream: workers on Apache Kafka and Redis under load that does not wait for them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import monotonic
from typing import Any

import httpx

from features.engine import FeatureEngine
from features.progress import Progress, Step
from monitoring.reading import Samples, read
from services.auth import load_or_create_token
from services.benchmarks.live import load
from services.benchmarks.live.arrivals import MINUTE_S, Figures
from services.benchmarks.live.child import Child
from services.benchmarks.live.limit import find_limit
from services.benchmarks.live.orders import Command, Report
from services.benchmarks.live.prepared import Prepared, prepare
from services.benchmarks.live.servers import Servers, servers
from services.benchmarks.live.servers import environment as around_environment
from services.benchmarks.live.stages import breakdown
from services.benchmarks.live.usage import cpu_s, rss_mb
from services.composition import Root
from services.settings import Settings
from services.state_directory import StateDirectory
from services.system import System
from streaming.broker import DECISIONS, TRANSACTIONS
from streaming.brokers.clients import Client, cheapest
from streaming.brokers.process import free_port

WARM_UP_S = 60.0  # Kafka's own compiler takes half a core until then, which a broker in service does not
LIMIT_MS = 100.0  # what the 99th percentile is held to
KEEPS_UP = 0.99  # of what is offered
SETTLE_S = 3.0


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


def benchmark_stream(
    settings: Settings, state: StateDirectory, setup: Setup, *, rate: float, seconds: float, step: Step
) -> dict[str, Any]:
    """Offer ``rate`` payments a second for ``seconds``, after a warm-up that no figure but ``lost`` includes."""
    with live(settings, state, setup, step) as running:
        return measure(running, Command(rate, seconds, WARM_UP_S), step("streaming")) | described(running)


def benchmark_limit(
    settings: Settings, state: StateDirectory, setup: Setup, *, rate: float, seconds: float, step: Step
) -> dict[str, Any]:
    """Find the highest rate that holds: p99 under `LIMIT_MS`, all offered payments decided in time, none lost.

    Each rate is offered for ``seconds``, the search begins at ``rate``. The figures are those of the highest that held.
    """
    probes: list[dict[str, Any]] = []
    held: dict[str, Any] = {}
    with live(settings, state, setup, step) as running:

        def holds(offered: float) -> bool:
            nonlocal held
            warm_up = SETTLE_S if probes else WARM_UP_S
            found = measure(running, Command(offered, seconds, warm_up), step(f"{offered:,.0f} a second"))
            p99 = found["latency_ms"]["p99"]
            fine = p99 is not None and p99 < LIMIT_MS and not found["lost"]
            fine = fine and found["achieved_per_s"] >= KEEPS_UP * offered
            probes.append(
                {"rate": round(offered, 1), "p99": p99, "achieved_per_s": found["achieved_per_s"], "held": fine}
            )
            if fine:
                held = found
            return fine

        limit, above = find_limit(holds, rate)
        return {
            "limit_per_s": limit and round(limit, 1),
            "too_much_per_s": above and round(above, 1),
            "limit_ms": LIMIT_MS,
            "probes": probes,
            **held,
            **described(running),
        }


@contextmanager
def live(settings: Settings, state: StateDirectory, setup: Setup, step: Step) -> Iterator[Live]:
    """Start servers, workers and load, everything warm; stop them at the end."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="ringfence-benchmark-")))
        around = stack.enter_context(servers(settings, directory))
        settled = around.settings.model_copy(update={"partitions": setup.partitions})
        prepared = prepare(state, settled, step, setup.model)
        make_topics(prepared.root)
        token, _ = load_or_create_token(prepared.root.state.token)
        FeatureEngine().warm_up()  # compiles once where the workers would each compile for themselves
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


def make_topics(root: Root) -> None:
    """Create the topics, with as many partitions as the settings say."""
    broker = root.broker()
    root.topics(broker)
    broker.close()


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


def measure(running: Live, command: Command, tell: Progress) -> dict[str, Any]:
    """Run ``command`` and return its figures with what the processes took meanwhile."""
    watch = _Watch(running)

    def hear(report: Report) -> None:
        running.system.check()
        tell(report.sent, report.total)

    figures = running.load.run(command, measuring=watch.start, tell=hear)
    return _summed_up(running, figures, watch)


class _Watch:
    """Looks at the processes when the measurement begins, every minute, and when it ends."""

    def __init__(self, running: Live) -> None:
        self._running = running
        self._stop = Event()
        self._thread = Thread(target=self._every_minute, daemon=True)

    def start(self) -> None:
        self.cpu = cpu_s(self._running.measured), cpu_s(self._running.around)
        self.metrics = self._running.metrics()
        self.rss_mb = [rss_mb(self._running.measured)]
        self.started = monotonic()
        self._thread.start()

    def _every_minute(self) -> None:
        while not self._stop.wait(MINUTE_S):
            self.rss_mb.append(rss_mb(self._running.measured))

    def stop(self) -> None:
        self.seconds = monotonic() - self.started
        self._stop.set()
        self._thread.join()


def _summed_up(running: Live, figures: Figures, watch: _Watch) -> dict[str, Any]:
    watch.stop()
    decided = sum(figures.verdicts.values())
    ended = cpu_s(running.measured), cpu_s(running.around)
    stages = breakdown(watch.metrics, running.metrics(), watch.seconds)
    rss = [*watch.rss_mb[1:], rss_mb(running.measured)]

    def per_1000(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
        return {name: round((after[name] - before[name]) / max(1, decided) * 1000, 3) for name in after}

    return {
        "offered_per_s": figures.offered_per_s,
        "achieved_per_s": figures.achieved_per_s,
        "latency_ms": figures.latency_ms,
        "lost": figures.lost,
        "duplicated": figures.duplicated,
        "degraded": figures.degraded,
        "errors": figures.errors,
        "cpu_s_per_1000": round(sum(per_1000(watch.cpu[0], ended[0]).values()), 3),
        "cpu_s_per_1000_around": per_1000(watch.cpu[1], ended[1]),
        "batch": stages.batch,
        "stage_ms": stages.stage_ms,
        "busy": stages.busy,
        "bottleneck": stages.bottleneck,
        "decided": decided,
        "verdicts": figures.verdicts,
        "sent_late_ms": figures.sent_late_ms,
        "rss_mb": {"start": watch.rss_mb[0], "end": rss[-1]},
        "per_minute": [{"rss_mb": mb, **minute} for mb, minute in zip(rss, figures.per_minute, strict=False)],
    }


def described(running: Live) -> dict[str, Any]:
    """Say what was measured and on what."""
    bundle = running.prepared.bundle
    return {
        "model": bundle.version,
        "ring_model": bundle.ring_model,
        "client": running.setup.client,
        "load_client": cheapest(),
        "workers": running.setup.workers,
        "partitions": running.setup.partitions,
        "given": running.servers.given,
        "cores": os.cpu_count(),
        "warm_up_s": WARM_UP_S,
    }
