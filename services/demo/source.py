"""Where the demo's payments come from: the simulator, or a file of the user's own."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pandas as pd

from features.datasets.mapping import load_mapping
from features.datasets.reader import read_table
from features.errors import DataError
from features.progress import Progress
from streaming.scoring import utc_now
from streaming.simulator import Scenario, simulate
from streaming.simulator.files import write

HISTORY = 150_000
RUNS = 5  # how many runs of the asked size one simulated future holds
PER_DAY = 3_000
FRAUD_RATE = 0.004


@dataclass(frozen=True, slots=True)
class Source:
    """A labelled table and the moment that divides what is known from what is streamed."""

    table: pd.DataFrame
    split: pd.Timestamp
    name: str

    @property
    def history(self) -> pd.DataFrame:
        """What lies before the split."""
        return self.table[self.table["event_time"] < self.split].reset_index(drop=True)

    @property
    def future(self) -> pd.DataFrame:
        """What lies at or after the split, in event time."""
        return self.table[self.table["event_time"] >= self.split].reset_index(drop=True)

    @property
    def fingerprint(self) -> str:
        """Identifies the data and the split: a state directory belongs to one of them."""
        columns = self.table[["transaction_id", "event_time", "amount"]]
        digest = hashlib.sha256(pd.util.hash_pandas_object(columns, index=False).to_numpy().tobytes())
        digest.update(self.split.isoformat().encode())
        return digest.hexdigest()[:16]


def simulated(directory: Path, transactions: int, seed: int, progress: Progress) -> Source:
    """Return the simulated history and future of a state directory, made on the first run and read on later ones."""
    path = directory / "transactions.parquet"
    if not path.exists():
        total = HISTORY + max(transactions * RUNS, HISTORY // RUNS)
        days = total / PER_DAY
        start = (utc_now() - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
        directory.mkdir(parents=True, exist_ok=True)
        write(
            simulate(
                Scenario(transactions=total, seed=seed, start=start, days=days, fraud_rate=FRAUD_RATE),
                progress=progress,
            ),
            path,
        )
    table = read_table(path, load_mapping("simulator")).table
    return Source(table, table["event_time"].iloc[HISTORY], "simulated payments")


def from_file(data: Path, mapping: str, split: pd.Timestamp, rejects: Path, progress: Progress) -> tuple[Source, int]:
    """Return a user's file divided at ``split``, and how many of its rows were set aside in ``rejects``."""
    result = read_table(data, load_mapping(mapping), rejects=rejects, progress=progress)
    first, last = result.table["event_time"].iloc[0], result.table["event_time"].iloc[-1]
    if not first < split <= last:
        raise DataError(
            f"The split {split:%Y-%m-%d %H:%M} does not divide the data, which reach from {first} to {last}.",
            remedy="Choose a --split inside them.",
        )
    return Source(result.table, split, data.name), result.rejected
