"""How large a message may be: asked of Kafka when topics are created, and enforced by the broker in memory."""

from streaming.broker import DEAD_LETTER

MAX_MESSAGE_BYTES = 2 * 1024 * 1024
DEAD_LETTER_MARGIN_BYTES = 64 * 1024  # a dead letter is the original and the story of its failure


def max_message_bytes(topic: str) -> int:
    """Return the largest message, with key and headers, that ``topic`` takes."""
    return MAX_MESSAGE_BYTES + (DEAD_LETTER_MARGIN_BYTES if topic == DEAD_LETTER else 0)
