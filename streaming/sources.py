"""Which source of events (see `features.events`) a partition is."""

from streaming.broker import TRANSACTIONS, Position

EARLIER = 0  # what a ledger of before there were several sources holds; nobody adds to it
_LABELS = 1 << 17  # beyond all partitions of transactions


def source_of_partition(position: Position) -> int:
    """Return the source that events of a partition are numbered in."""
    topic, partition = position
    return 1 + partition if topic == TRANSACTIONS else _LABELS + partition
