"""The graph of past payments: entities are nodes, and each transaction ties its card to what it was made with.

A transaction is one event: an edge from its card to each of merchant, device, ip and account (the counterparty), all
at one time. Parallel edges stay apart, as events of their own. A name is a node once for each kind of entity, so that a
card and an account of one name are two nodes and no edge leads from a node to itself. Events are numbered in order of
time: everything before a moment is everything below one number, `RingGraph.limit`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.embeddings import NODE_TYPES, NodeType
from features.errors import DataError

Ints = NDArray[np.int64]
NEVER = np.iinfo(np.int64).max  # the label time of what has no label
COLUMNS: dict[NodeType, str] = {
    "card": "card_id",
    "merchant": "merchant_id",
    "device": "device_id",
    "ip": "ip",
    "account": "counterparty_id",
}
CARD = NODE_TYPES.index("card")


class Names(Protocol):
    """Keys of one type in the order of their numbers: a `pandas.Index`, or what looks like one."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, number: int, /) -> str:
        """Return one."""

    def get_indexer(self, keys: "pd.Index[str]", /) -> NDArray[np.intp]:
        """Return the numbers of ``keys``, -1 where there is none."""


@dataclass(frozen=True, slots=True)
class RingGraph:
    """A temporal graph in compressed sparse rows; E events, N nodes, R incidences.

    Per event, in order of time: ``time`` (µs since 1970), ``amount`` (log1p of major units), ``label`` (1 fraud, 0
    genuine), ``label_time`` (µs, `NEVER` without a label), ``nodes`` (E, types), -1 where there is none. Node ids run
    through the types one after the other: those of type t are ``starts[t]`` up to ``starts[t + 1]``. The events of
    node v, oldest first, are ``events[rows[v] : rows[v + 1]]``. ``names`` are the entity keys by type, in order of ids.
    """

    time: Ints
    amount: NDArray[np.float32]
    label: NDArray[np.int8]
    label_time: Ints
    nodes: NDArray[np.int32]
    starts: Ints
    rows: Ints
    events: NDArray[np.int32]
    names: tuple[Names, ...]

    @property
    def edges(self) -> int:
        """How many edges there are: one for each event and entity beside its card."""
        return len(self.events) - len(self.time)

    def limit(self, moment: Ints) -> Ints:
        """Return, for each time (µs), the number below which all events are strictly earlier."""
        return np.searchsorted(self.time, moment, side="left")

    def types(self, nodes: Ints) -> Ints:
        """Return the type of each node, as a position in `NODE_TYPES`."""
        return np.searchsorted(self.starts, nodes, side="right") - 1

    def name(self, node: int) -> tuple[NodeType, str]:
        """Return the type and the key of a node."""
        code = int(self.types(np.array([node]))[0])
        return NODE_TYPES[code], str(self.names[code][node - int(self.starts[code])])

    def find(self, keys: Mapping[NodeType, Sequence[str | None]]) -> NDArray[np.int32]:
        """Return node ids by type, shape (keys, types); -1 for None and for what the graph has never seen."""
        columns = []
        for code, node_type in enumerate(NODE_TYPES):
            at = self.names[code].get_indexer(pd.Index(list(keys[node_type]), dtype=object))
            columns.append(np.where(at >= 0, at + self.starts[code], -1))
        return np.stack(columns, axis=1).astype(np.int32)

    def memory_bytes(self) -> int:
        """Return the size of the arrays, names aside."""
        arrays = (self.time, self.amount, self.label, self.label_time, self.nodes, self.starts, self.rows, self.events)
        return sum(array.nbytes for array in arrays)


def build_graph(table: pd.DataFrame) -> RingGraph:
    """Build the graph of a canonical table (`features.table`); raises `DataError` unless it is in order of time."""
    time = microseconds(table["event_time"])
    if (np.diff(time) < 0).any():
        raise DataError("The table is not sorted by event_time.", remedy="Sort it, keeping the order of equal times.")
    known = (table["is_fraud"].notna() & table["label_time"].notna()).to_numpy()
    found = [pd.factorize(table[COLUMNS[node_type]]) for node_type in NODE_TYPES]
    return assemble(
        time=time,
        amount=np.log1p(table["amount"].to_numpy(dtype=np.float64)).astype(np.float32),
        label=table["is_fraud"].to_numpy(dtype=np.int8, na_value=0),
        label_time=np.where(known, microseconds(table["label_time"]), NEVER),
        codes=np.stack([codes for codes, _ in found], axis=1),
        names=tuple(pd.Index(uniques.astype(object)) for _, uniques in found),
    )


def assemble(
    *,
    time: Ints,
    amount: NDArray[np.float32],
    label: NDArray[np.int8],
    label_time: Ints,
    codes: NDArray[np.signedinteger],
    names: tuple[Names, ...],
) -> RingGraph:
    """Make a graph of events in order of time; ``codes`` (E, types) number the entities of each type from 0, or -1."""
    starts = np.concatenate(([0], np.cumsum([len(of_type) for of_type in names]))).astype(np.int64)
    nodes = np.where(codes >= 0, codes + starts[:-1], -1).astype(np.int32)
    rows, events = _rows(nodes, int(starts[-1]))
    return RingGraph(time, amount, label, label_time, nodes, starts, rows, events, names)


def shuffled(graph: RingGraph, seed: int) -> RingGraph:
    """Return a graph whose edges lead anywhere: every column of entities in an order of its own.

    Each node keeps its number of events; who shares what with whom, and whose events were fraud, is chance.
    """
    random = np.random.default_rng(seed)
    nodes = np.stack([random.permutation(column) for column in graph.nodes.T], axis=1)
    rows, events = _rows(nodes, int(graph.starts[-1]))
    return replace(graph, nodes=nodes, rows=rows, events=events)


def microseconds(column: "pd.Series[pd.Timestamp]") -> Ints:
    """Return a column of UTC times as µs since 1970."""
    return pd.DatetimeIndex(column).as_unit("us").asi8


def _rows(nodes: NDArray[np.int32], count: int) -> tuple[Ints, NDArray[np.int32]]:
    """Sort incidences by node, those of one node by event; one type at a time, to need less memory at once."""
    totals = np.zeros(count, np.int64)
    parts = []
    for column in nodes.T:  # ids of one type are one range, so that the parts follow each other
        present = np.flatnonzero(column >= 0)
        at = column[present]
        totals += np.bincount(at, minlength=count)
        parts.append(present[np.argsort(at, kind="stable")].astype(np.int32))
    return np.concatenate(([0], np.cumsum(totals))), np.concatenate(parts)
