"""The payments that a command works on: a data set's, or simulated ones."""

from pathlib import Path

import pandas as pd

from features.datasets.mapping import load_mapping
from features.datasets.reader import read_table
from services.cli.output import err, progress
from streaming.simulator import Scenario, Simulation, simulate

SIMULATED = 100_000  # transactions, where no data are named and no number


def read(data: Path, mapping: str) -> pd.DataFrame:
    """Read a data set through its mapping and say how many rows were set aside."""
    # Rejected rows go to the working directory, since a data set's own folder may be read-only.
    rejects = Path.cwd() / f"{data.stem}.rejects.jsonl"
    with progress(f"reading {data.name}") as tell:
        result = read_table(data, load_mapping(mapping), rejects=rejects, progress=tell)
    if result.rejected:
        err.print(f"{result.rejected:,} of {result.rows:,} rows set aside in {result.rejects_path}: {result.reasons}")
    return result.table


def simulated(scenario: Scenario) -> Simulation:
    """Simulate ``scenario`` and show how far it has come."""
    with progress("simulating") as tell:
        return simulate(scenario, progress=tell)


def read_or_simulate(data: Path | None, mapping: str, transactions: int, seed: int) -> pd.DataFrame:
    """Read all of ``data`` or, where none are named, simulate so many ``transactions``."""
    if data is not None:
        return read(data, mapping)
    return simulated(Scenario(transactions=transactions, seed=seed)).transactions
