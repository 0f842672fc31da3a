"""Ids that last: a ring keeps its id from run to run while at least half of its cards, or of its former ones, stay."""

import hashlib
from collections.abc import Sequence

import msgspec

from models.rings.communities.types import FraudRing

_LEAST_OVERLAP = 0.5


def with_stable_ids(rings: Sequence[FraudRing], former: Sequence[FraudRing]) -> list[FraudRing]:
    """Return ``rings`` with ids: those of ``former`` where they match best, else new ones made from their cards.

    The overlap of two rings is the number of cards in both, divided by that of the smaller. Where a ring was divided,
    the part with more of its cards keeps the id; where two have become one, it keeps the id of the one that more of
    its cards come from. What keeps its id keeps when it was found and first seen too.
    """
    before = {ring.ring_id: ring for ring in former}
    taken: dict[int, FraudRing] = {}
    given: set[str] = set()
    for _, ring_id, index in sorted(_overlaps(rings, former)):
        if ring_id not in given and index not in taken:
            given.add(ring_id)
            taken[index] = before[ring_id]
    return [
        _continued(ring, taken[index])
        if index in taken
        else msgspec.structs.replace(ring, ring_id=_new_id(ring, before))
        for index, ring in enumerate(rings)
    ]


def _overlaps(rings: Sequence[FraudRing], former: Sequence[FraudRing]) -> list[tuple[int, str, int]]:
    """Return (-cards in common, former id, index) of the pairs that overlap enough."""
    of_card: dict[str, list[FraudRing]] = {}
    for ring in former:
        for card in ring.card_ids():
            of_card.setdefault(card, []).append(ring)
    found = []
    for index, ring in enumerate(rings):
        cards = ring.card_ids()
        common: dict[str, int] = {}
        for card in cards:
            for old in of_card.get(card, ()):
                common[old.ring_id] = common.get(old.ring_id, 0) + 1
        sizes = {old.ring_id: old.cards for card in cards for old in of_card.get(card, ())}
        found += [
            (-count, ring_id, index)
            for ring_id, count in common.items()
            if count >= _LEAST_OVERLAP * min(len(cards), sizes[ring_id])
        ]
    return found


def _continued(ring: FraudRing, old: FraudRing) -> FraudRing:
    return msgspec.structs.replace(
        ring, ring_id=old.ring_id, found_at=old.found_at, first_seen=min(ring.first_seen, old.first_seen)
    )


def _new_id(ring: FraudRing, before: dict[str, FraudRing]) -> str:
    """Return an id made from the cards; the moment is added where a former ring has it that has become another."""
    cards = "\n".join(sorted(ring.card_ids()))
    for text in (cards, f"{cards}\n{ring.found_at.isoformat()}"):
        ring_id = f"ring-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        if ring_id not in before:
            break
    return ring_id
