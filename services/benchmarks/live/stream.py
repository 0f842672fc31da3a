"""Measures the stream: workers on Apache Kafka and Redis under load that does not wait for them."""

from typing import Any

from features.progress import Step
from services.benchmarks.live.limit import find_limit
from services.benchmarks.live.measuring import measure
from services.benchmarks.live.orders import Command
from services.benchmarks.live.running import Setup, live
from services.settings import Settings
from services.state_directory import StateDirectory

WARM_UP_S = 60.0  # Kafka's own compiler takes half a core until then, which a broker in service does not
LIMIT_MS = 100.0  # what the 99th percentile is held to
KEEPS_UP = 0.99  # of what is offered
SETTLE_S = 3.0


def benchmark_stream(
    settings: Settings, state: StateDirectory, setup: Setup, *, rate: float, seconds: float, step: Step
) -> dict[str, Any]:
    """Offer ``rate`` payments a second for ``seconds``, after a warm-up that no figure but ``lost`` includes."""
    with live(settings, state, setup, step) as running:
        found = measure(running, Command(rate, seconds, WARM_UP_S), step("streaming"))
        return {**found, **running.described(), "warm_up_s": WARM_UP_S}


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
            **running.described(),
            "warm_up_s": WARM_UP_S,
        }
