"""Commands that measure the running system: benchmark stream, baseline, rest."""

from typing import Annotated

import typer

from services.cli.benchmark import rows
from services.cli.options import JSON, STATE
from services.cli.output import print_json, print_table, steps
from services.settings import Settings
from services.state_directory import open_state
from streaming.brokers.clients import Client

WORKERS = Annotated[int, typer.Option("--workers", min=1, help="Worker processes in the consumer group.")]
CLIENT = Annotated[Client | None, typer.Option("--client", help="Kafka client of the workers.")]
PARTITIONS = Annotated[int | None, typer.Option("--partitions", min=1, help="Partitions of the topics.")]
MODEL = Annotated[
    str | None,
    typer.Option("--model", help="Version or alias to serve; if absent, one trained on the benchmark's payments."),
]
PROBE_S = 20.0
STREAM_S = 60.0


def stream(
    rate: Annotated[float, typer.Option("--rate", min=1, help="Payments a second to offer.")] = 1000,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds", min=1, help=f"For how long; {STREAM_S:.0f}, or {PROBE_S:.0f} a rate with --find-limit."
        ),
    ] = None,
    workers: WORKERS = 1,
    client: CLIENT = None,
    partitions: PARTITIONS = None,
    model: MODEL = None,
    limit: Annotated[
        bool, typer.Option("--find-limit", help="Search the highest rate that holds, beginning with --rate.")
    ] = False,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Measure the stream on real Kafka and Redis: latency, throughput, CPU, under load that does not wait.

    Starts Apache Kafka from KAFKA_HOME and a redis-server, or uses KAFKA_BOOTSTRAP, REDIS_URL and LEDGER_URL where
    they name empty ones.
    """
    from services.benchmarks.live.running import Setup  # noqa: PLC0415  imports Feast
    from services.benchmarks.live.stream import benchmark_limit, benchmark_stream  # noqa: PLC0415

    settings = Settings()
    client, partitions = client or settings.kafka_client, partitions or max(settings.partitions, workers)
    setup = Setup(workers, client, partitions, model)
    opened = open_state(state or settings.state)
    with steps() as bars:
        if limit:
            result = benchmark_limit(settings, opened, setup, rate=rate, seconds=seconds or PROBE_S, step=bars.step)
        else:
            result = benchmark_stream(settings, opened, setup, rate=rate, seconds=seconds or STREAM_S, step=bars.step)
    print_json(result) if as_json else print_table("Measured", rows(result))


def baseline(
    payments: Annotated[int, typer.Option("--payments", min=100, help="How many wait for the worker.")] = 20_000,
    baseline_payments: Annotated[
        int, typer.Option("--baseline-payments", min=100, help="How many wait for the loop.")
    ] = 1_000,
    client: CLIENT = None,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Measure one worker beside the loop that one would write first on the same parts, both as fast as they go.

    Starts Apache Kafka from KAFKA_HOME and a redis-server, or uses KAFKA_BOOTSTRAP, REDIS_URL and LEDGER_URL where
    they name empty ones.
    """
    from services.benchmarks.live.baseline import benchmark_baseline  # noqa: PLC0415  imports Feast

    settings = Settings()
    opened = open_state(state or settings.state)
    with steps() as bars:
        result = benchmark_baseline(
            settings,
            opened,
            client=client or settings.kafka_client,
            payments=payments,
            baseline_payments=baseline_payments,
            step=bars.step,
        )
    print_json(result) if as_json else print_table("Measured", rows(result))


def rest(
    rate: Annotated[float, typer.Option("--rate", min=1, help="Requests a second.")] = 200,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="For how long.")] = STREAM_S,
    model: MODEL = None,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Measure the score service on one core: latency, errors and CPU, under load that does not wait for it.

    Starts Apache Kafka from KAFKA_HOME and a redis-server, or uses KAFKA_BOOTSTRAP, REDIS_URL and LEDGER_URL where
    they name empty ones.
    """
    from services.benchmarks.live.rest import benchmark_rest  # noqa: PLC0415  imports Feast

    settings = Settings()
    opened = open_state(state or settings.state)
    with steps() as bars:
        result = benchmark_rest(settings, opened, model, rate=rate, seconds=seconds, step=bars.step)
    print_json(result) if as_json else print_table("Measured", rows(result))
