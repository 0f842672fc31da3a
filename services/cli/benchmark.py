"""Commands that measure on this machine: benchmark features."""

from pathlib import Path
from typing import Annotated, Any

import typer

from services.benchmarks.features import benchmark_features
from services.cli.options import JSON, MAPPING, SEED
from services.cli.output import print_json, print_table, steps
from services.cli.table import SIMULATED, read_or_simulate


def features(
    data: Annotated[
        Path | None, typer.Option("--data", help="Measure on a CSV or Parquet file instead of a simulation.")
    ] = None,
    mapping: MAPPING = "simulator",
    transactions: Annotated[int, typer.Option("--transactions", min=1, help="How many to simulate.")] = SIMULATED,
    pandas_transactions: Annotated[
        int | None,
        typer.Option("--pandas-transactions", min=1, help="How many by pandas, the first ones; or all."),
    ] = None,
    seed: SEED = 0,
    as_json: JSON = False,
) -> None:
    """Measure the back-fill beside pandas, the live fold and the online store."""
    table = read_or_simulate(data, mapping, transactions, seed)
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
