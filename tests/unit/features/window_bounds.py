"""Window features against the bare transactions: exact within the memory, bounded beyond it."""

import numpy as np

from features.catalogue import NAMES
from features.catalogue_windows import STATISTICS
from features.epoch import epoch_us
from features.history import KEY_COLUMNS
from features.state_layout import EVENT_LIMIT, HOUR_US, TILES, WINDOW_US
from features.store import ENTITIES
from tests.unit.features.feature_oracle import SPANS


def assert_bounded(payments, features, rows):
    """Hold rows' windows against the transactions before them; return how many windows were beyond the memory."""
    times = np.array([epoch_us(payment.event_time) for payment in payments])
    amounts = np.array([payment.amount for payment in payments])
    beyond = 0
    for code, entity in enumerate(ENTITIES):
        names = np.array([getattr(payment, KEY_COLUMNS[entity]) or "" for payment in payments])
        for row in rows:
            if not names[row]:
                continue
            mine = names[:row] == names[row]
            past, paid = times[:row][mine], amounts[:row][mine]
            for window, span in zip(SPANS, WINDOW_US, strict=True):
                if f"{entity}_count_{window}" in NAMES:
                    found = {one: features[row][NAMES.index(f"{entity}_{one}_{window}")]
                             for one in STATISTICS if f"{entity}_{one}_{window}" in NAMES}  # fmt: skip
                    if np.sum(past > times[row] - span) <= EVENT_LIMIT[code]:
                        assert_exact(found, paid[(past > times[row] - span) & (past <= times[row])])
                    else:
                        beyond += 1
                        assert_within_a_tile(found, past, paid, times[row], span)
    return beyond


def assert_exact(found, inside):
    assert found["count"] == len(inside)
    if "sum" in found:
        wanted = [inside.sum()]
        wanted += [inside.mean(), inside.std(), inside.max()] if len(inside) else [np.nan] * 3
        assert np.allclose([found[one] for one in STATISTICS[1:]], wanted, rtol=1e-9, atol=1e-6, equal_nan=True)


def assert_within_a_tile(found, past, paid, time, span):
    late = past.max() > time
    tile = max(span // TILES, HOUR_US) if late else span // TILES
    least = (past > time - span) & (past <= time - HOUR_US * late)
    most = (past > time - span - tile) & (past <= time)
    assert least.sum() <= found["count"] <= most.sum()
    if "sum" in found:
        rounding = 1e-9 * paid[most].sum()
        assert paid[least].sum() - rounding <= found["sum"] <= paid[most].sum() + rounding
        if found["count"]:
            assert max(paid[least], default=0) <= found["max"] <= max(paid[most])
