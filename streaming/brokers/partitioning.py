"""Which partition a key belongs to: the same answer as Apache Kafka's own clients give.

Every implementation of the seam and every foreign producer that uses Kafka's default partitioner must agree, or one
card's transactions would be spread over several partitions and lose their order.
"""

import struct

_MASK = 0xFFFFFFFF
_SEED = 0x9747B28C
_M = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """Return the 32-bit unsigned MurmurHash2 of ``data`` as ``org.apache.kafka.common.utils.Utils.murmur2`` has it."""
    length = len(data)
    body = length & ~3
    h = _SEED ^ length
    for (word,) in struct.iter_unpack("<I", data[:body]):
        k = (word * _M) & _MASK
        k ^= k >> 24
        h = ((h * _M) & _MASK) ^ ((k * _M) & _MASK)
    if length > body:
        h = ((h ^ int.from_bytes(data[body:], "little")) * _M) & _MASK
    h = ((h ^ (h >> 13)) * _M) & _MASK
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition, 0 to ``partitions`` - 1, of messages with this key (the sign bit is dropped first)."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
