"""Arrays as bytes in the safetensors format, float32 only: the length of a JSON header, the header, the raw numbers.

Serving reads weights with this and numpy alone; what is written here the safetensors library reads, and the reverse
(https://github.com/huggingface/safetensors describes the format).
"""

import math
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError

_LENGTH = 8  # bytes
_META = "__metadata__"


class _Entry(msgspec.Struct, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def to_bytes(arrays: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Write arrays by name; the same arrays give the same bytes."""
    header: dict[str, _Entry] = {}
    at = 0
    for name, array in sorted(arrays.items()):
        header[name] = _Entry("F32", list(array.shape), (at, at + 4 * array.size))
        at += 4 * array.size
    encoded = msgspec.json.encode(header, order="sorted")
    encoded += b" " * (-len(encoded) % _LENGTH)  # so that the numbers are aligned
    raw = b"".join(np.ascontiguousarray(array, dtype="<f4").tobytes() for _, array in sorted(arrays.items()))
    return len(encoded).to_bytes(_LENGTH, "little") + encoded + raw


def from_bytes(content: bytes, source: str) -> dict[str, NDArray[np.float32]]:
    """Read arrays by name; raises `BundleError` naming ``source`` for what is no such file, or not finite."""
    length = int.from_bytes(content[:_LENGTH], "little")
    raw = memoryview(content)[_LENGTH + length :]
    try:
        header = msgspec.json.decode(content[_LENGTH : _LENGTH + length], type=dict[str, msgspec.Raw])
        entries = {name: msgspec.json.decode(part, type=_Entry) for name, part in header.items() if name != _META}
        arrays = {name: _array(entry, raw) for name, entry in entries.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise BundleError(
            f"{source} cannot be read: {error}.", remedy="Restore the file from a backup or train again."
        ) from error
    broken = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if broken:
        raise BundleError(f"{source} holds numbers that are not finite, in {broken[0]}.", remedy="Train again.")
    return arrays


def _array(entry: _Entry, raw: memoryview) -> NDArray[np.float32]:
    begin, end = entry.data_offsets
    if entry.dtype != "F32" or end - begin != 4 * math.prod(entry.shape) or not 0 <= begin <= end <= len(raw):
        raise ValueError(f"an array of {entry.dtype} {entry.shape} at {begin} to {end} of {len(raw)} bytes")
    return np.frombuffer(raw[begin:end], dtype="<f4").reshape(entry.shape)
