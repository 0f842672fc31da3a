"""What every client of a broker keeps to: how large a message may be, and how long a fetch may wait."""

from streaming.broker import DEAD_LETTER

# How long a broker may hold a fetch back for want of messages. Apache Kafka answers as soon as there is one byte, but
# only for the partitions asked for, and those whose messages are just being handed over are not. Longer waits cost
# latency, shorter ones CPU time while nothing comes.
FETCH_WAIT_MS = 25
# What is sent in one go travels together: without it the first message of a micro-batch leaves alone.
LINGER_MS = 2
# What a consumer may hold that has not been polled: a worker that falls behind leaves the rest on the broker.
QUEUE_BYTES = 16 * 1024 * 1024
MAX_MESSAGE_BYTES = 2 * 1024 * 1024
DEAD_LETTER_MARGIN_BYTES = 64 * 1024  # a dead letter is the original and the story of its failure


def max_message_bytes(topic: str) -> int:
    """Return the largest message, with key and headers, that ``topic`` takes."""
    return MAX_MESSAGE_BYTES + (DEAD_LETTER_MARGIN_BYTES if topic == DEAD_LETTER else 0)
