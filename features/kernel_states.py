"""Compiled copying of entity states: packed states into the arena and back."""

import functools
from collections.abc import Callable

import numpy as np

from features.kernel_jit import entry_point, jit, source_digest
from features.kernel_tiles import Words
from features.state_layout import (
    EVENT_LIMIT,
    EVENT_TILE_WORDS,
    EVENT_WORDS,
    H_EVENT_START,
    H_EVENTS,
    H_MARKERS,
    H_OUTCOME_START,
    H_OUTCOMES,
    H_TILED,
    HEADER,
    OUTCOME_LIMIT,
    OUTCOME_TILE_WORDS,
    OUTCOME_WORDS,
    PACKED_HEADER,
    PREFIX,
    T_ENTITY,
    T_EVENT_ROOM,
    T_EVENT_TILES,
    T_EVENTS,
    T_HEADER,
    T_MARKERS,
    T_OUTCOME_ROOM,
    T_OUTCOME_TILES,
    T_OUTCOMES,
    TABLE,
    TILED_EVENTS,
    TILED_OUTCOMES,
)

Load = Callable[[Words, Words, Words, Words, Words, int], tuple[Words, Words]]
Pack = Callable[[Words, Words], tuple[Words, Words]]
SECTIONS = 5  # in packed order: transactions, outcomes, their tiles, the outcomes' tiles, markers


@jit
def lay_out(table: Words, slot: int, size: int, events: int, outcomes: int, tiled: int, markers: int) -> int:
    """Place one slot's sections from ``size`` on; return where they end.

    A slot never needs more room than its entity's limit and some slack for sliding, however much it is given; it needs
    tiles where it may come to exceed the limit.
    """
    row = table[slot]
    entity = row[T_ENTITY]
    row[T_HEADER], row[T_EVENTS] = size, size + HEADER
    row[T_EVENT_ROOM] = min(events, EVENT_LIMIT[entity] + EVENT_LIMIT[entity] // 4)
    row[T_OUTCOME_ROOM] = min(outcomes, OUTCOME_LIMIT[entity] + OUTCOME_LIMIT[entity] // 4)
    row[T_OUTCOMES] = row[T_EVENTS] + row[T_EVENT_ROOM] * EVENT_WORDS[entity]
    end = int(row[T_OUTCOMES] + row[T_OUTCOME_ROOM] * OUTCOME_WORDS)
    row[T_EVENT_TILES] = row[T_OUTCOME_TILES] = -1
    if events > EVENT_LIMIT[entity] or tiled & TILED_EVENTS:
        row[T_EVENT_TILES] = end
        end += EVENT_TILE_WORDS
    if outcomes > OUTCOME_LIMIT[entity] or tiled & TILED_OUTCOMES:
        row[T_OUTCOME_TILES] = end
        end += OUTCOME_TILE_WORDS
    row[T_MARKERS] = end
    return end + markers


@jit
def section(words: Words, row: Words, number: int) -> tuple[int, int]:
    """Return where the used part of a slot's section begins in the arena, and its length in words."""
    header = row[T_HEADER]
    if number == 0:
        width = EVENT_WORDS[row[T_ENTITY]]
        return row[T_EVENTS] + words[header + H_EVENT_START] * width, words[header + H_EVENTS] * width
    if number == 1:
        begin = row[T_OUTCOMES] + words[header + H_OUTCOME_START] * OUTCOME_WORDS
        return begin, words[header + H_OUTCOMES] * OUTCOME_WORDS
    if number == 2:
        return row[T_EVENT_TILES], EVENT_TILE_WORDS if words[header + H_TILED] & TILED_EVENTS else 0
    if number == 3:
        return row[T_OUTCOME_TILES], OUTCOME_TILE_WORDS if words[header + H_TILED] & TILED_OUTCOMES else 0
    return row[T_MARKERS], words[header + H_MARKERS]


@jit
def in_use(words: Words, tiles: int, size: int) -> bool:
    """Whether anything ever fell into these tiles."""
    if tiles >= 0:
        for at in range(tiles, tiles + size):
            if words[at] != 0:
                return True
    return False


@jit
def mark_tiles(words: Words, row: Words) -> None:
    """Note in the header which tiles are in use: the others are not packed."""
    tiled = TILED_EVENTS if in_use(words, row[T_EVENT_TILES], EVENT_TILE_WORDS) else 0
    tiled |= TILED_OUTCOMES if in_use(words, row[T_OUTCOME_TILES], OUTCOME_TILE_WORDS) else 0
    words[row[T_HEADER] + H_TILED] = tiled


@jit
def copy_words(source: Words, begin: int, target: Words, to: int, count: int) -> None:
    """Copy words; a loop compiles many times faster than assigning slices."""
    for at in range(count):
        target[to + at] = source[begin + at]


@functools.cache
def compiled_load() -> Load:
    """Return a function that lays out an arena and copies states into it.

    Arguments: packed states one after another as words, where each slot's begins (-1: none), per slot its entity code
    and how many transactions and labels it is to be given, and from how many sources. Returns words and slot table.
    """
    digest = int(source_digest()[:12], 16)

    def load(
        packed: Words, begins: Words, entities: Words, transactions: Words, labels: Words, sources: int
    ) -> tuple[Words, Words]:
        slots = len(entities)
        table = np.empty((slots, TABLE), np.int64)
        size = 0 * digest  # the closure over the digest is what keys the disk cache
        for slot in range(slots):
            table[slot, T_ENTITY] = entities[slot]
            events, outcomes, tiled, markers = transactions[slot], labels[slot], 0, sources
            if begins[slot] >= 0:
                begin = begins[slot] + PREFIX
                events += packed[begin + H_EVENTS]
                outcomes += packed[begin + H_OUTCOMES]
                tiled = packed[begin + H_TILED]
                markers += packed[begin + H_MARKERS]
            size = lay_out(table, slot, size, events, outcomes, tiled, markers)
        words = np.zeros(size, np.int64)
        for slot in range(slots):
            if begins[slot] >= 0:
                row, at = table[slot], begins[slot] + PREFIX
                copy_words(packed, at, words, row[T_HEADER], PACKED_HEADER)
                at += PACKED_HEADER
                for number in range(SECTIONS):
                    begin, count = section(words, row, number)
                    copy_words(packed, at, words, begin, count)
                    at += count
        return words, table

    return entry_point(load)


@functools.cache
def compiled_pack() -> Pack:
    """Return a function that copies the used parts of all states one after another.

    Arguments: an arena's words and slot table. Returns the packed words, each state behind `PREFIX` words left for
    version and checksum, and where each state ends.
    """
    digest = int(source_digest()[:12], 16)

    def pack(words: Words, table: Words) -> tuple[Words, Words]:
        ends = np.empty(len(table), np.int64)
        size = 0 * digest  # the closure over the digest is what keys the disk cache
        for slot in range(len(table)):
            mark_tiles(words, table[slot])
            size += PREFIX + PACKED_HEADER
            for number in range(SECTIONS):
                size += section(words, table[slot], number)[1]
            ends[slot] = size
        packed = np.zeros(size, np.int64)
        at = 0
        for slot in range(len(table)):
            row = table[slot]
            at += PREFIX
            copy_words(words, row[T_HEADER], packed, at, PACKED_HEADER)
            at += PACKED_HEADER
            for number in range(SECTIONS):
                begin, count = section(words, row, number)
                copy_words(words, begin, packed, at, count)
                at += count
        return packed, ends

    return entry_point(pack)
