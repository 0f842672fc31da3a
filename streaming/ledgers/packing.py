"""Feature vectors as a ledger stores them: packed little-endian floats, and their names once per model version.

80 features take 331 bytes instead of about 2.5 kB of JSON, and come back bit for bit.
"""

import functools
import hashlib
import math
import struct
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from features.errors import StateError

Names = tuple[str, ...]

_names = msgspec.json.Decoder(tuple[str, ...])


def names_id(names: Names) -> int:
    """A signed 64-bit id made from the names' content, so that several processes agree without asking each other."""
    return int.from_bytes(hashlib.sha256(encode_names(names)).digest()[:8], "big", signed=True)


def encode_names(names: Names) -> bytes:
    """Feature names as JSON."""
    return msgspec.json.encode(names)


def decode_names(raw: bytes) -> Names:
    """Read back what `encode_names` wrote."""
    return _names.decode(raw)


def pack_features(vectors: Sequence[Mapping[str, float | None]]) -> list[bytes]:
    """Pack the values of vectors with the same names, in their order; `unpack_features` returns exactly these numbers.

    Layout of each: one byte for the width ("f" float32, "d" float64), a bitmap of the missing values (None), one bit
    each, and the values, little-endian. Float32 is used when no value loses a bit by it, which is so for vectors as
    scored.
    """
    if not vectors:
        return []
    values = [list(vector.values()) for vector in vectors]
    numbers = np.array(values, np.float64)  # None becomes NaN
    missing = np.isnan(numbers)
    if np.count_nonzero(missing) != sum(row.count(None) for row in values):  # a NaN of its own is no missing value
        missing = np.array([[value is None for value in row] for row in values], np.bool_)
    numbers[missing] = 0.0
    bitmaps = np.packbits(missing, axis=1, bitorder="little")
    with np.errstate(over="ignore"):
        narrow = numbers.astype("<f4")
    wide = numbers.astype("<f8", copy=False)
    # Compared as values: a NaN differs from itself and so takes eight bytes, which is rare and still exact.
    fits = (narrow == wide).all(axis=1).tolist()
    return [
        (b"f" if fits[row] else b"d") + bitmaps[row].tobytes() + (narrow if fits[row] else wide)[row].tobytes()
        for row in range(len(values))
    ]


def unpack_features(names: Names, packed: bytes) -> dict[str, float | None]:
    """Read back what `pack_features` wrote; raises `StateError` if it cannot have been written by it."""
    bitmap = math.ceil(len(names) / 8)
    layout = _layout("d" if packed[:1] == b"d" else "f", len(names))
    if packed[:1] not in (b"d", b"f") or len(packed) != 1 + bitmap + layout.size:
        raise StateError(
            f"The ledger holds a feature vector of {len(packed)} bytes that does not fit its {len(names)} names.",
            remedy="The ledger is damaged: restore it from a backup.",
        )
    features: dict[str, float | None] = dict(zip(names, layout.unpack_from(packed, 1 + bitmap), strict=True))
    missing = int.from_bytes(packed[1 : 1 + bitmap], "little")
    if missing:
        for place, name in enumerate(names):
            if missing >> place & 1:
                features[name] = None
    return features


@functools.lru_cache(maxsize=64)
def _layout(width: str, count: int) -> struct.Struct:
    return struct.Struct(f"<{count}{width}")
