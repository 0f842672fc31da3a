"""Entity states as bytes, and the arena in which the kernel works on many of them at once.

Packed: ``b"RF"``, version (u8), entity code (u8), CRC-32 (u32) of the rest; then little-endian 64-bit words as
`features.state_layout` lays them out: header, transactions, outcomes, tiles where there are any, markers. Only what is
used is stored, so an entity seen once takes about 150 bytes.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.errors import StateError
from features.state_layout import (
    ENTITY_CODES,
    EVENT_LIMIT,
    EVENT_TILE_WORDS,
    EVENT_WORDS,
    H_EVENTS,
    H_MARKERS,
    H_OUTCOMES,
    H_TILED,
    OUTCOME_LIMIT,
    OUTCOME_TILE_WORDS,
    OUTCOME_WORDS,
    PACKED_HEADER,
    T_ENTITY,
    T_HEADER,
    TILED_EVENTS,
    TILED_OUTCOMES,
)
from features.state_upgrade import OLD_EVENT_TILE_WORDS, OLD_OUTCOME_TILE_WORDS, upgraded_words
from features.store import UNREADABLE, Entity

STATE_VERSION = 3  # raise it with any change of the layout, of the limits or of the hashes
MAGIC = b"RF"
_PREFIX = struct.Struct("<2sBBI")
_HEAD = struct.Struct(f"<2sBBI{PACKED_HEADER}q")
_PREFIX_FIELDS = 4
_WORD = 8
_REMEDY = "It is treated as unknown; a back-fill from history makes it anew."
_TILE_WORDS = {
    1: (OLD_EVENT_TILE_WORDS, OLD_OUTCOME_TILE_WORDS),
    2: (EVENT_TILE_WORDS, OUTCOME_TILE_WORDS),
    STATE_VERSION: (EVENT_TILE_WORDS, OUTCOME_TILE_WORDS),
}
Words = NDArray[np.int64]
DefectKind = Literal["unreadable", "foreign", "version", "corrupt"]


class Defect(NamedTuple):
    """Why a stored state cannot be used; ``message`` names the entity, never its key."""

    kind: DefectKind
    message: str


def check_state(data: bytes, entity: Entity) -> None:
    """Raise `StateError` for a packed state that `find_defect` finds fault with."""
    defect = find_defect(data, entity)
    if defect is not None:
        raise StateError(defect.message, remedy=_REMEDY)


def up_to_date(data: bytes, entity: Entity) -> bytes:
    """Return a state without a defect for the kernel to work on: as it is, or brought up to date."""
    if data[2] == STATE_VERSION:
        return data
    body = upgraded_words(np.frombuffer(data, "<i8"), data[2]).astype("<i8").tobytes()[_PREFIX.size :]
    return _PREFIX.pack(MAGIC, STATE_VERSION, ENTITY_CODES[entity], zlib.crc32(body)) + body


def find_defect(data: bytes, entity: Entity) -> Defect | None:
    """Check a packed state as far as the kernel needs to work on it safely; None if it can be used.

    Kinds: ``unreadable`` is what the store could not unwrap, ``foreign`` no state or another entity's, ``version`` one
    that this version of Ringfence cannot read, ``corrupt`` one that is damaged or cut.
    """
    if data == UNREADABLE:
        return Defect("unreadable", f"The stored value holds no {entity} state.")
    if len(data) < _PREFIX.size:
        return Defect("corrupt", f"The {entity} state is truncated ({len(data)} bytes).")
    magic, version, code, checksum = _PREFIX.unpack_from(data)
    if magic != MAGIC or code != ENTITY_CODES[entity]:
        return Defect("foreign", f"The bytes stored as {entity} state are something else.")
    if version not in _TILE_WORDS:
        return Defect("version", f"The {entity} state has version {version}, not {STATE_VERSION}.")
    return _find_damage(data, entity, version, code, checksum)


def _find_damage(data: bytes, entity: Entity, version: int, code: int, checksum: int) -> Defect | None:
    """Go on with `find_defect` where the prefix is right."""
    if len(data) < _HEAD.size or len(data) % _WORD:
        return Defect("corrupt", f"The {entity} state is truncated ({len(data)} bytes).")
    if zlib.crc32(memoryview(data)[_PREFIX.size :]) != checksum:
        return Defect("corrupt", f"The {entity} state is damaged: its checksum does not match.")
    header = _HEAD.unpack_from(data)[_PREFIX_FIELDS:]
    events, outcomes, tiled = header[H_EVENTS], header[H_OUTCOMES], header[H_TILED]
    event_tiles, outcome_tiles = _TILE_WORDS[version]
    words = events * EVENT_WORDS[code] + outcomes * OUTCOME_WORDS
    words += event_tiles * bool(tiled & TILED_EVENTS) + outcome_tiles * bool(tiled & TILED_OUTCOMES)
    markers = header[H_MARKERS] if version == STATE_VERSION else 0  # before, the one marker was the header's word
    words += markers
    fits = 0 <= events <= EVENT_LIMIT[code] and 0 <= outcomes <= OUTCOME_LIMIT[code] and markers >= 0
    if not fits or _HEAD.size + words * _WORD != len(data):
        return Defect("corrupt", f"The {entity} state contradicts itself in its sizes.")
    return None


@dataclass(frozen=True, slots=True)
class Arena:
    """States side by side: ``words`` (total,) int64 holds all sections, ``table`` (slots, TABLE) says where."""

    words: Words
    table: Words

    @classmethod
    def load(
        cls, states: Sequence[bytes | None], entities: Words, transactions: Words, labels: Words, sources: int = 1
    ) -> "Arena":
        """Lay out states, which `check_state` must have passed, with room for more; None is an empty state.

        ``entities`` (slots,) holds entity codes, ``transactions`` and ``labels`` (slots,) how many each slot is to be
        given at most, by how many ``sources``.
        """
        from features.kernel_states import compiled_load  # noqa: PLC0415  numba takes 0.4 s to import

        begins = np.full(len(entities), -1, np.int64)
        size = 0
        for slot, state in enumerate(states):
            if state is not None:
                begins[slot] = size
                size += len(state) // _WORD
        joined = np.frombuffer(b"".join(state for state in states if state is not None), np.dtype("<i8"))
        # A writable copy: the compiled code is typed for one kind of array.
        words, table = compiled_load()(joined.astype(np.int64), begins, entities, transactions, labels, sources)
        return cls(words, table)

    def pack(self) -> list[bytes]:
        """Return all states as bytes, by slot."""
        from features.kernel_states import compiled_pack  # noqa: PLC0415  numba takes 0.4 s to import

        packed, ends = compiled_pack()(self.words, self.table)
        buffer = memoryview(packed.astype("<i8", copy=False).view(np.uint8).data)
        states = []
        begin = 0
        for end, code in zip((ends * _WORD).tolist(), self.table[:, T_ENTITY].tolist(), strict=True):
            body = buffer[begin + _PREFIX.size : end]
            _PREFIX.pack_into(buffer, begin, MAGIC, STATE_VERSION, code, zlib.crc32(body))
            states.append(bytes(buffer[begin:end]))
            begin = end
        return states

    def reset_markers(self) -> None:
        """Forget which events were applied: events with any ``seq`` from 1 can follow."""
        self.words[self.table[:, T_HEADER] + H_MARKERS] = 0
