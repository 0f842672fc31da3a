"""States inside Feast's values, as every online store of Feast's files them."""

from feast.protos.feast.types.Value_pb2 import Value
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # ships no types

from features.store import UNREADABLE


def wrap(state: bytes) -> bytes:
    """Return a state as the bytes of Feast's protobuf."""
    wrapped: bytes = Value(bytes_val=state).SerializeToString()
    return wrapped


def unwrap(value: object) -> bytes:
    """Return the state in what a store holds: `UNREADABLE` if that is not Feast's protobuf of bytes. Never raises."""
    if not isinstance(value, bytes):
        return UNREADABLE
    try:
        state: bytes = Value.FromString(value).bytes_val  # empty where the value is of another type
    except DecodeError:
        return UNREADABLE
    return state
