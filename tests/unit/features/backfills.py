"""A simulated history, and what a finished back-fill of it left behind."""

import pyarrow.parquet as pq

from features.backfill import fold_chunks, open_work
from features.backfill_parts import part_paths
from features.catalogue import NAMES
from features.datasets.mapping import load_mapping
from features.datasets.reader import read_table
from features.history import make_history
from streaming.simulator import Scenario, simulate
from streaming.simulator.files import write

DAYS = 20  # labels arrive within the history


def simulated(path, transactions=1_500, seed=3):
    """Write a simulation and return it as a canonical table."""
    write(simulate(Scenario(transactions=transactions, seed=seed, days=DAYS, fraud_rate=0.05)), path)
    return read_table(path, load_mapping("simulator")).table


def fold(table, directory, chunk, *, until=None, fingerprint="f", progress=None, restart=False):
    """Fold what is left; the position afterwards."""
    work = open_work(directory, fingerprint, restart=restart)
    try:
        fold_chunks(make_history(table, until), table, work, directory, chunk=chunk, progress=progress)
        return work.position
    finally:
        work.close()


def parts(directory):
    """Return the parts as one Arrow table."""
    return pq.ParquetDataset(part_paths(directory)).read()


def part_bytes(directory):
    """Return the parts' bytes by name."""
    return {path.name: path.read_bytes() for path in part_paths(directory)}


def features(table):
    """Return the features of an Arrow table as a matrix."""
    return table.select(list(NAMES)).to_pandas().to_numpy(dtype="float32")


def states(directory, fingerprint="f"):
    """Return all states of the working file."""
    found = {}
    work = open_work(directory, fingerprint)
    try:
        for entity, chunk in work.states(7):
            found.setdefault(entity, {}).update(chunk)
    finally:
        work.close()
    return found
