"""Ways to fold a stream: at once, in micro-batches, and without the last rounding."""

import itertools

import numpy as np

from features.batch import make_batch
from features.catalogue import NAMES
from features.engine import FeatureEngine
from features.kernel import compiled_kernel
from features.state import Arena
from features.state_layout import I_KIND, TRANSACTION

ENGINE = FeatureEngine()


def fold_in_batches(events, cuts, states=None):
    """Fold batch by batch, through packed states, as the worker does."""
    states = {entity: dict(of) for entity, of in (states or {}).items()}
    rows = [np.empty((0, len(NAMES)), np.float32)]
    edges = [0, *sorted(cuts), len(events)]
    for begin, end in itertools.pairwise(edges):
        result = ENGINE.fold(events[begin:end], states)
        rows.append(result.features)
        for entity, found in result.states.items():
            states.setdefault(entity, {}).update(found)
    return np.concatenate(rows), states


def fold_unrounded(events):
    """Return the features as float64, before the engine rounds them: sums of thousands show their last bits."""
    batch = make_batch(events)
    arena = Arena.load([None] * len(batch.keys), batch.entities, batch.transactions, batch.labels)
    out = np.empty((int((batch.integers[:, I_KIND] == TRANSACTION).sum()), len(NAMES)), np.float64)
    flags = np.zeros(len(out), np.int64)
    compiled_kernel()(arena.words, arena.table, batch.integers, batch.reals, batch.slots, out, flags)
    return out


def assert_agrees(features, expected, rtol=3e-6, atol=2e-6):
    """Hold features (rows, features) against the oracle's; ``rtol`` is a number or one for each feature."""
    wanted = np.array([[row.get(name, np.nan) for name in NAMES] for row in expected], np.float64)
    close = np.isclose(features, wanted, rtol=rtol, atol=atol, equal_nan=True)
    wrong = [
        f"row {row} {NAMES[at]}: {features[row, at]} instead of {wanted[row, at]}"
        for row, at in zip(*np.nonzero(~close), strict=True)
    ]
    assert not wrong, f"{len(wrong)} differ: {wrong[:8]}"
