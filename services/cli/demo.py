"""The demo command: payments being scored, from nothing, in one go."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from features.errors import ConfigurationError
from services.cli.options import JSON, STATE, utc
from services.demo.run import Options, run_demo


def demo(
    transactions: Annotated[int | None, typer.Option("--transactions", min=1, help="Payments to stream.")] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0.1, help="Payments a second; 300 simulated, as fast as it goes for --data."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Stream a CSV or Parquet file instead of a simulation.")
    ] = None,
    mapping: Annotated[str, typer.Option("--mapping", help="Mapping file or shipped name, with --data.")] = "simulator",
    split: Annotated[
        datetime | None, typer.Option("--split", help="With --data: train before this time (UTC), stream from it on.")
    ] = None,
    broker: Annotated[
        str, typer.Option("--broker", help="embedded, kafka (starts $KAFKA_HOME) or external ($KAFKA_BOOTSTRAP).")
    ] = "embedded",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the simulation.")] = 7,
    state: STATE = None,
    exit_: Annotated[bool, typer.Option("--exit", help="End when the stream has been decided.")] = False,
    as_json: JSON = False,
) -> None:
    """Simulate or read a history, train, start everything on loopback, and watch payments being scored."""
    if data is not None and split is None:
        raise ConfigurationError("--data needs --split.", remedy="Say from which date (UTC) on payments are streamed.")
    if broker not in ("embedded", "kafka", "external"):
        raise ConfigurationError(f"There is no broker {broker}.", remedy="Choose embedded, kafka or external.")
    run_demo(
        Options(
            transactions=transactions,
            rate=rate,
            data=data,
            mapping=mapping,
            split=utc(split),
            broker=broker,
            seed=seed,
            state=state,
            exit=exit_,
            as_json=as_json,
        )
    )
