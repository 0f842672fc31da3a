"""The neighbourhood of a card, device, address or receiver: who it was seen with, from a snapshot's file of links."""

from datetime import datetime

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet  # type: ignore[import-untyped]  # ships no types

from features.epoch import from_epoch_us
from models.rings.communities.links import KINDS, Ints, Past
from models.rings.communities.types import Node

_COUNTS = ("payments", "frauds", "honest", "first_us", "last_us")


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """One neighbour: the payments that join the two, and how many neighbours of its own it has.

    Without payments it is a card whose own account this is; both times are null then.
    """

    type: Node
    id: str
    payments: int
    frauds: int
    honest: int
    first_seen: datetime | None
    last_seen: datetime | None
    neighbours: int


class Neighbourhood(msgspec.Struct, frozen=True, kw_only=True):
    """The neighbours with most confirmed frauds, then most payments; ``left_out`` says how many more there are."""

    type: Node
    id: str
    neighbours: tuple[Neighbour, ...]
    left_out: int


def encode_links(past: Past) -> bytes:
    """Return all links of a past as a Parquet file: card_id, type, id, payments, frauds, honest, first_us, last_us."""
    links = past.links
    entity = links["entity"].to_numpy()
    columns = {
        "card_id": pa.array(past.cards, pa.string()).take(pa.array(links["card"])),
        "type": pa.DictionaryArray.from_arrays(pa.array(past.kinds[entity].astype(np.int8)), list(KINDS)),
        "id": pa.array(past.entities, pa.string()).take(pa.array(entity)),
    }
    columns |= {name: pa.array(links[name]) for name in _COUNTS}
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(pa.table(columns), sink, compression="zstd")
    return bytes(sink.getvalue())


class Neighbours:
    """Answers from one file of links; a question looks through all of them, a few milliseconds a million."""

    def __init__(self, links: bytes) -> None:
        table = pyarrow.parquet.read_table(pa.BufferReader(links)).combine_chunks()
        self._cards = _coded(table["card_id"])
        # One text names type and id of an entity; no type holds the separator.
        self._entities = _coded(pc.binary_join_element_wise(table["type"].cast(pa.string()), table["id"], "\n"))
        self._of_card = np.bincount(_codes(self._cards), minlength=len(self._cards.dictionary))
        self._of_entity = np.bincount(_codes(self._entities), minlength=len(self._entities.dictionary))
        self._counts = {name: table[name].to_numpy() for name in _COUNTS}

    def of(self, node: Node, name: str, most: int) -> Neighbourhood | None:
        """Return at most ``most`` neighbours of one card or entity; None for one that the links do not have."""
        own, other, degree = (
            (self._cards, self._entities, self._of_entity)
            if node == "card"
            else (self._entities, self._cards, self._of_card)
        )
        code = pc.index(own.dictionary, pa.scalar(name if node == "card" else f"{node}\n{name}")).as_py()
        if code < 0:
            return None
        rows = np.flatnonzero(_codes(own) == code)
        chosen = rows[np.lexsort((rows, -self._counts["payments"][rows], -self._counts["frauds"][rows]))][:most]
        ends = _codes(other)[chosen]
        names = other.dictionary.take(pa.array(ends)).to_pylist()
        neighbours = [
            self._neighbour(int(row), text, int(degree[end]))
            for row, text, end in zip(chosen, names, ends, strict=True)
        ]
        return Neighbourhood(type=node, id=name, neighbours=tuple(neighbours), left_out=len(rows) - len(chosen))

    def _neighbour(self, row: int, text: str, neighbours: int) -> Neighbour:
        kind, _, entity = text.partition("\n")
        payments, frauds, honest, first_us, last_us = (int(self._counts[name][row]) for name in _COUNTS)
        return Neighbour(
            type=msgspec.convert(kind, Node) if entity else "card",
            id=entity or kind,
            payments=payments,
            frauds=frauds,
            honest=honest,
            first_seen=from_epoch_us(first_us) if payments else None,
            last_seen=from_epoch_us(last_us) if payments else None,
            neighbours=neighbours,
        )


def _coded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    coded = column.combine_chunks().dictionary_encode()
    return coded.chunk(0) if isinstance(coded, pa.ChunkedArray) else coded


def _codes(column: pa.DictionaryArray) -> Ints:
    codes: Ints = column.indices.to_numpy()
    return codes
