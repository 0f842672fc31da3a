"""Commands that measure on this machine: benchmark features."""

from pathlib import Path
from typing import Annotated, Any

import typer

from services.benchmarks.features import benchmark_features
from services.cli.data import MAPPING, SEED, read
from services.cli.options import JSON
from services.cli.output import print_json, print_table, progress, steps
from streaming.simulator import Scenario, simulate


def features(
    data: Annotated[
        Path | None, typer.Option("--data", help="Measure on a CSV or Parquet file instead of a simulation.")
    ] = None,
    mapping: MAPPING = "simulator",
    transactions: Annotated[int, typer.Option("--transactions", min=1, help="How many to simulate.")] = 100_000,
    pandas_transactions: Annotated[
        int | None,
        typer.Option("--pandas-transactions", min=1, help="How many by pandas, the first ones; or all."),
    ] = None,
    seed: SEED = 0,
    as_json: JSON = False,
) -> None:
    """Measure the back-fill beside pandas, the live fold and the online store."""
    if data is not None:
        table = read(data, mapping).table
    else:
        with progress("simulating") as tell:
            table = simulate(Scenario(transactions=transactions, seed=seed), progress=tell).transactions
    with steps() as bars:
        result = benchmark_features(table, pandas_transactions, bars.step)
    print_json(result) if as_json else print_table("Measured", rows(result))


def rows(result: dict[str, Any]) -> dict[str, Any]:
    """Give each size of micro-batch, and each entity's states, a row of its own."""
    flat: dict[str, Any] = {}
    for name, value in result.items():
        if isinstance(value, dict) and any(isinstance(part, dict) for part in value.values()):
            flat |= {f"{name} {part}": figures for part, figures in value.items()}
        else:
            flat[name] = value
    return flat
