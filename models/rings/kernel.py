"""Compiled loops over the graph's rows: whom a node was last seen with, and a node in a few numbers.

Everything that these two functions call is in this file, for the compiler's disk cache knows no other.
"""

import numpy as np
from numpy.typing import NDArray

from features.kernel_jit import entry_point, jit

Ints = NDArray[np.int64]
INPUTS = 9  # numbers that describe a node: degree, span, distinct partners of each type, known frauds and genuine
ATTRIBUTES = 5  # of an edge: amount, age, known genuine, known fraud, whether a hub is at its other end
HOUR_US = 3_600_000_000.0
_TYPES = 5


@jit
def _stop(first: int, end: int, events: NDArray[np.int32], limit: int) -> int:
    """Return where in a row, from ``first`` to ``end``, the events below ``limit`` end."""
    low, high = first, end
    while low < high:
        middle = (low + high) // 2
        if events[middle] < limit:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def _distinct(nodes: NDArray[np.int32], events: NDArray[np.int32], own: int, code: int, seen: NDArray[np.int32]) -> int:
    """Return how many partners of a type there are in ``events``, oneself aside."""
    distinct = 0
    for event in events:
        other = nodes[event, code]
        if other < 0 or other == own:
            continue
        fresh = True
        for earlier in range(distinct):
            if seen[earlier] == other:
                fresh = False
                break
        if fresh:
            seen[distinct] = other
            distinct += 1
    return distinct


def _sample(
    time: Ints,
    amount: NDArray[np.float32],
    label: NDArray[np.int8],
    label_time: Ints,
    nodes: NDArray[np.int32],
    rows: Ints,
    events: NDArray[np.int32],
    query: Ints,
    limit: Ints,
    moment: Ints,
    is_card: NDArray[np.bool_],
    fanout: int,
    hub: int,
    source: Ints,
    source_type: Ints,
    target: Ints,
    attributes: NDArray[np.float32],
) -> int:
    """Fill the edges of each query's last ``fanout`` events below its limit; return how many there are."""
    made = 0
    for place in range(query.size):
        first = rows[query[place]]
        stop = _stop(first, rows[query[place] + 1], events, limit[place])
        if stop == first:
            continue
        newest = time[events[stop - 1]]
        for at in range(max(first, stop - fanout), stop):
            event = events[at]
            known = label_time[event] < moment[place]
            for code in range(_TYPES):
                other = nodes[event, code]
                if other < 0 or is_card[place] == (code == 0):
                    continue
                begin, bound = rows[other], rows[other + 1]
                crowded = bound - begin > hub and events[begin + hub] < limit[place]
                source[made] = -1 if crowded else other
                source_type[made] = code
                target[made] = place
                attributes[made, 0] = amount[event] / 5.0
                attributes[made, 1] = np.log1p((newest - time[event]) / HOUR_US) / 5.0
                attributes[made, 2] = known and label[event] == 0
                attributes[made, 3] = known and label[event] == 1
                attributes[made, 4] = crowded
                made += 1
    return made


def _describe(
    time: Ints,
    label: NDArray[np.int8],
    label_time: Ints,
    nodes: NDArray[np.int32],
    rows: Ints,
    events: NDArray[np.int32],
    query: Ints,
    limit: Ints,
    moment: Ints,
    fanout: int,
    out: NDArray[np.float32],
) -> None:
    """Fill the description of each query, from all its events below its limit and the last ``fanout`` of them."""
    seen = np.empty(fanout, np.int32)
    for place in range(query.size):
        first = rows[query[place]]
        stop = _stop(first, rows[query[place] + 1], events, limit[place])
        out[place, :] = 0.0
        if stop == first:
            continue
        out[place, 0] = np.log1p(stop - first) / 5.0
        out[place, 1] = np.log1p((time[events[stop - 1]] - time[events[first]]) / HOUR_US) / 8.0
        for code in range(_TYPES):
            distinct = _distinct(nodes, events[max(first, stop - fanout) : stop], query[place], code, seen)
            out[place, 2 + code] = np.log1p(distinct) / 3.0
        frauds, genuine = 0, 0
        for at in range(max(first, stop - fanout), stop):
            if label_time[events[at]] < moment[place]:
                if label[events[at]] == 1:
                    frauds += 1
                else:
                    genuine += 1
        out[place, 7] = np.log1p(frauds)
        out[place, 8] = np.log1p(genuine) / 3.0


sample = entry_point(_sample)
describe = entry_point(_describe)
