"""Measures the worker beside the loop that one would write first: the same payments, broker, store and model."""

import os
from typing import Any

import msgspec

from features.progress import Progress, Step
from features.stores.redis_server import parse_url
from services.benchmarks.feast_scalars import SCALARS, ScalarStore
from services.benchmarks.live import newcomer
from services.benchmarks.live.arrivals import Figures
from services.benchmarks.live.child import Child
from services.benchmarks.live.orders import Command
from services.benchmarks.live.prepared import Prepared
from services.benchmarks.live.running import Setup, ready, stream_load, workers
from services.benchmarks.live.servers import Servers
from services.benchmarks.live.servers import environment as around_environment
from services.connections import redis_url
from services.settings import Settings
from services.state_directory import StateDirectory
from streaming.brokers.clients import Client

FLOOD_PER_S = 20_000.0  # faster than either takes them: both always have payments waiting
TRANSACTIONS, DECISIONS = "baseline-transactions", "baseline-decisions"  # topics of the loop's own
KNOWN = 20_000  # payments of the history whose entities the loop's store knows


def benchmark_baseline(
    settings: Settings,
    state: StateDirectory,
    *,
    client: Client,
    payments: int,
    baseline_payments: int,
    step: Step,
) -> dict[str, Any]:
    """Have each take waiting payments as fast as it can, one process each, one after the other; compare the rates.

    A rate is that of the decisions between the tenth and the ninetieth in a hundred. Both decide by the same model.
    """
    one = Setup(1, client, settings.partitions)
    with ready(settings, state, one, step) as (around, prepared):
        with workers(prepared.root, around, one), stream_load(prepared, around) as load:
            worker = _flood(load, payments, step("the worker"))
        loop, steps_ms = _newcomer(prepared, around, client, baseline_payments, step)
    return {
        "worker_per_s": worker.flat_out_per_s,
        "baseline_per_s": loop.flat_out_per_s,
        "ratio_to_baseline": _ratio(worker.flat_out_per_s, loop.flat_out_per_s),
        "baseline_step_ms": steps_ms,
        "worker_payments": worker.sent,
        "worker_lost": worker.lost,
        "worker_degraded": worker.degraded,
        "baseline_payments": loop.sent,
        "baseline_lost": loop.lost,
        "baseline_features": sum(map(len, SCALARS.values())),
        "baseline_views": len(SCALARS),
        "client": client,
        "given": around.given,
        "cores": os.cpu_count(),
    }


def _newcomer(
    prepared: Prepared, around: Servers, client: Client, payments: int, step: Step
) -> tuple[Figures, dict[str, float]]:
    """Return the figures of the loop, and what each of its steps takes in milliseconds a payment."""
    settings = prepared.root.settings
    broker = prepared.root.broker()
    broker.ensure_topics(dict.fromkeys((TRANSACTIONS, DECISIONS), settings.partitions))
    broker.close()
    scalars, spent = around.directory / "scalars", around.directory / "newcomer.json"
    scalars.mkdir()
    redis = parse_url(redis_url(settings) or "")[1]
    store = ScalarStore(scalars, list(SCALARS), {"type": "redis", "connection_string": redis})
    store.write(store.frames(prepared.history[-KNOWN:], prepared.features[-KNOWN:]))
    setup = newcomer.Setup(
        bootstrap=prepared.root.bootstrap,
        client=client,
        scalars=str(scalars),
        redis=redis,
        state=str(prepared.root.state.path),
        transactions=TRANSACTIONS,
        decisions=DECISIONS,
        seconds_file=str(spent),
    )
    with (
        Child("newcomer", setup, around_environment(around)),
        stream_load(prepared, around, TRANSACTIONS, DECISIONS) as load,
    ):
        figures = _flood(load, payments, step("the loop one would write first"))
    events, seconds = msgspec.json.decode(spent.read_bytes(), type=tuple[int, list[float]])
    return figures, {name: round(total / events * 1000, 3) for name, total in zip(newcomer.STEPS, seconds, strict=True)}


def _flood(load: Child, payments: int, tell: Progress) -> Figures:
    return load.run(
        Command(FLOOD_PER_S, payments / FLOOD_PER_S),
        measuring=lambda: None,
        tell=lambda report: tell(report.sent, report.total),
    )


def _ratio(worker: float | None, baseline: float | None) -> float | None:
    return round(worker / baseline, 1) if worker and baseline else None
