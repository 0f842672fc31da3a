"""What is unusual about a transaction's inputs, from the kernel's bits to words.

- ``late``: older than the newest transaction of its card. It lands in its own window.
- ``too_late``: more than a day older than the newest transaction of one of its entities, so that what lay in its
  window may be forgotten.
- ``already_applied:<entity>``: that state holds this event or a later one already and was left alone. Features
  read from it then include the transaction itself; the decision on record is the one that counts.
- ``cold:<entity>``: no transaction of that entity was folded before; its features have their defaults.
- ``missing:<field>``: that optional field is absent, and what is computed from it is missing.
- ``unusable:<entity>``: the stored bytes could not be used, and the entity was taken as unknown.
"""

import functools

from features.state_layout import F_ABSENT, F_APPLIED, F_COLD, F_LATE, F_MISSING, F_TOO_LATE
from features.store import ENTITIES, Entity

COLD, MISSING, UNUSABLE = "cold:", "missing:", "unusable:"
_KEY_FIELDS = ("card_id", "merchant_id", "device_id", "ip", "customer_id")  # in the order of `ENTITIES`
# In the order of `state_layout.MISSING_INTEGERS` and `MISSING_REALS`.
_OTHER_FIELDS = ("mcc", "country", "channel", "entry_mode", "latitude", "longitude")
MISSING_FIELDS = (*_KEY_FIELDS[2:], *_OTHER_FIELDS)  # the first two entities are named by every transaction
_WORDS = {
    F_LATE: "late",
    F_TOO_LATE: "too_late",
    **{F_APPLIED << code: f"already_applied:{entity}" for code, entity in enumerate(ENTITIES)},
    **{F_COLD << code: COLD + entity for code, entity in enumerate(ENTITIES)},
    **{F_ABSENT << code: MISSING + field for code, field in enumerate(_KEY_FIELDS)},
    **{F_MISSING << place: MISSING + field for place, field in enumerate(_OTHER_FIELDS)},
}
_RECORDED = (COLD, MISSING, UNUSABLE)


@functools.lru_cache(maxsize=4096)
def spelled(bits: int) -> frozenset[str]:
    """Return the words for the kernel's bits."""
    return frozenset(word for bit, word in _WORDS.items() if bits & bit)


@functools.lru_cache(maxsize=4096)
def with_unusable(flags: frozenset[str], entities: frozenset[Entity]) -> frozenset[str]:
    """Say of ``entities`` that their states were unusable, which is why they look cold."""
    return (flags - {COLD + entity for entity in entities}) | {UNUSABLE + entity for entity in entities}


@functools.lru_cache(maxsize=4096)
def recorded_flags(flags: frozenset[str], states_read: bool) -> tuple[str, ...]:
    """Return what a decision says of its inputs, sorted: ``cold`` only where the states could be read."""
    kinds = _RECORDED if states_read else (MISSING,)
    return tuple(sorted(flag for flag in flags if flag.startswith(kinds)))
