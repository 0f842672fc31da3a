"""Markers: how far each source of events has been applied to an entity's state."""

from features.kernel_jit import jit
from features.kernel_tiles import Words
from features.state_layout import H_MARKERS, NUMBER_BITS, T_HEADER, T_MARKERS


@jit
def find_marker(words: Words, table: Words, slot: int, seq: int) -> int:
    """Return where the marker of the source of ``seq`` lies, or where it is to come: behind the others."""
    at = table[slot, T_MARKERS]
    end = at + words[table[slot, T_HEADER] + H_MARKERS]
    while at < end and words[at] >> NUMBER_BITS != seq >> NUMBER_BITS:
        at += 1
    return int(at)


@jit
def is_applied(words: Words, table: Words, slot: int, seq: int) -> bool:
    """Whether the event has been applied before, or has ``seq`` 0 and never is."""
    at = find_marker(words, table, slot, seq)
    known = at < table[slot, T_MARKERS] + words[table[slot, T_HEADER] + H_MARKERS]
    return bool(seq == 0 or (known and seq <= words[at]))


@jit
def mark_applied(words: Words, table: Words, slot: int, seq: int) -> None:
    """Remember ``seq`` as the last of its source."""
    at = find_marker(words, table, slot, seq)
    count = table[slot, T_HEADER] + H_MARKERS
    if at == table[slot, T_MARKERS] + words[count]:
        words[count] += 1
    words[at] = seq
