"""Measures the features: back-fill against pandas, the live fold, and the online store against one of scalars."""

import importlib
import os
import platform
import resource
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from features.catalogue import NAMES
from features.engine import FeatureEngine
from features.progress import Step
from features.replay import Replay, replay
from features.store import States
from features.stores.feast_store import open_feast
from services.benchmarks.online import Percentiles, measure_online
from services.benchmarks.pandas_windows import WINDOW_NAMES, agreement, pandas_windows

MIB = 1 << 20
PACKAGES = ("numpy", "pandas", "numba", "feast")


def benchmark_features(table: pd.DataFrame, pandas_transactions: int | None, step: Step) -> dict[str, Any]:
    """Measure on a canonical table; pandas computes its first ``pandas_transactions`` rows, or all.

    Rates are rows a second: the back-fill's with all ``features``, pandas' with the ``pandas_features`` windows alone.
    ``peak_mib`` is the process's peak memory at the end of the back-fill, the table included. ``*_us`` are percentiles
    by size of the micro-batch; ``times_packed`` says how many times longer scalars take than packed states (medians).
    """
    FeatureEngine().warm_up()
    started = perf_counter()
    replayed = replay(table, progress=step("back-fill"))
    backfill_per_s = len(table) / (perf_counter() - started)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    few = table[:pandas_transactions]
    started = perf_counter()
    windows = pandas_windows(few, progress=step("the same windows by pandas"))
    pandas_per_s = len(few) / (perf_counter() - started)
    fold_us, read_us, write_us, scalar_read_us, scalar_write_us = _stores(table, replayed, step)
    return {
        "backfill_per_s": round(backfill_per_s),
        "pandas_per_s": round(pandas_per_s),
        "ratio": round(backfill_per_s / pandas_per_s, 1),
        "transactions": len(table),
        "features": len(NAMES),
        "pandas_transactions": len(few),
        "pandas_features": len(WINDOW_NAMES),
        "pandas_agrees": agreement(few, windows, replayed.features[: len(few)]),
        "peak_mib": round(peak_mib),
        "fold_us": fold_us,
        "read_us": read_us,
        "write_us": write_us,
        "scalar_read_us": _compared(scalar_read_us, read_us),
        "scalar_write_us": _compared(scalar_write_us, write_us),
        "state_bytes": state_bytes(replayed.states),
        "cpu_count": os.cpu_count(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def _stores(table: pd.DataFrame, replayed: Replay, step: Step) -> tuple[Percentiles, ...]:
    """Return µs of folding, reading and writing packed states, and of reading and writing scalars."""
    with TemporaryDirectory(prefix="ringfence-benchmark-") as directory:
        packed, scalars = Path(directory, "packed"), Path(directory, "scalars")
        scalars.mkdir()
        store = open_feast(packed)
        try:
            store.bulk_load(
                replayed.states, table["event_time"].iloc[-1].to_pydatetime(), progress=step("loading the store")
            )
            online = measure_online(table, store, step("live micro-batches"))
        finally:
            store.close()
        feast_scalars = importlib.import_module("services.benchmarks.feast_scalars")  # Feast takes seconds to import
        return *online, *feast_scalars.measure_scalars(table, replayed.features, scalars, step("scalars in Feast"))


def _compared(scalar: Percentiles, packed: Percentiles) -> Percentiles:
    """Add to each size how many times the packed median the scalar one is."""
    return {
        size: {**found, "times_packed": round(found["p50"] / packed[size]["p50"], 1)} for size, found in scalar.items()
    }


def state_bytes(states: States) -> dict[str, dict[str, float] | float]:
    """Return how many bytes the packed states of each entity take, and all of them together as ``total_mib``."""
    sizes = {entity: [len(state) for state in found.values()] for entity, found in states.items()}
    figures: dict[str, dict[str, float] | float] = {
        entity: {
            "states": len(found),
            "mean": round(float(np.mean(found))),
            "p50": round(float(np.percentile(found, 50))),
            "p99": round(float(np.percentile(found, 99))),
            "max": max(found),
        }
        for entity, found in sizes.items()
    }
    return figures | {"total_mib": round(sum(map(sum, sizes.values())) / MIB, 1)}
