"""Which ring a payment touches, from dictionaries: microseconds a payment, no graph library, no database."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from features.transaction import Transaction
from models.decision import Ring
from models.rings.communities.links import COLUMNS, Kind
from models.rings.communities.snapshot import RingSnapshot
from models.rings.communities.types import FraudRing
from models.rings.touch import Touch

FRESH = timedelta(days=2)  # snapshots are made daily; one may fail
_WORDS: dict[Kind, str] = {"device": "device", "ip": "address", "counterparty": "receiver"}


@dataclass(frozen=True, slots=True)
class _Shared:
    """An entity that a ring's cards share."""

    ring: FraudRing
    kind: Kind
    cards: frozenset[str]
    with_fraud: frozenset[str]


class RingIndex:
    """The rings of one snapshot by card, device, address and receiver; built once, read by any number of threads."""

    def __init__(self, at: datetime, rings: Sequence[FraudRing], *, fresh: timedelta = FRESH) -> None:
        self.at = at
        self._fresh = fresh
        self._cards: dict[str, FraudRing] = {}
        self._shared: dict[Kind, dict[str, _Shared]] = {kind: {} for kind in COLUMNS}
        for ring in sorted(rings, key=lambda ring: ring.score):  # the highest score comes last and stays
            self._cards |= dict.fromkeys(ring.card_ids(), ring)
            for shared_id, shared in _shared_of(ring).items():
                self._shared[shared.kind][shared_id[1]] = shared

    def touch(self, transactions: Sequence[Transaction]) -> list[Touch | None]:
        """Return the ring that each of ``transactions`` touches, the one with the highest score; None without one."""
        return [self._touch(transaction) for transaction in transactions]

    def is_stale(self, now: datetime) -> bool:
        """Tell whether the snapshot is older than the limit at ``now`` (UTC)."""
        return now - self.at > self._fresh

    def _touch(self, transaction: Transaction) -> Touch | None:
        best: Touch | None = None
        for kind, column in COLUMNS.items():
            name = getattr(transaction, column)
            shared = self._shared[kind].get(name) if name is not None else None
            if shared is not None and (best is None or shared.ring.score > best.ring.ring_score):
                best = _through(shared, transaction.card_id)
        ring = self._cards.get(transaction.card_id)
        if ring is not None and (best is None or ring.score > best.ring.ring_score):
            best = _as_member(ring, transaction.card_id)
        return best


def index_of(snapshot: RingSnapshot, *, fresh: timedelta = FRESH) -> RingIndex:
    """Return the index of a snapshot; one that is older than ``fresh`` says that it is stale."""
    return RingIndex(snapshot.at, snapshot.rings, fresh=fresh)


def _shared_of(ring: FraudRing) -> dict[tuple[Kind, str], _Shared]:
    cards: dict[tuple[Kind, str], set[str]] = defaultdict(set)
    with_fraud: dict[tuple[Kind, str], set[str]] = defaultdict(set)
    for edge in ring.edges:
        cards[edge.type, edge.id].add(edge.card_id)
        if edge.frauds:
            with_fraud[edge.type, edge.id].add(edge.card_id)
    return {
        key: _Shared(ring, key[0], frozenset(members), frozenset(with_fraud[key])) for key, members in cards.items()
    }


def _through(shared: _Shared, card_id: str) -> Touch:
    others, confirmed = shared.cards - {card_id}, shared.with_fraud - {card_id}
    text = f"{_WORDS[shared.kind]} shared with {_cards(len(others))}, {len(confirmed)} with confirmed fraud"
    return _touch_of(shared.ring, f"RING_{shared.kind.upper()}", text)


def _as_member(ring: FraudRing, card_id: str) -> Touch:
    others = ring.card_ids() - {card_id}
    confirmed = sum(m.type == "card" and m.id != card_id and m.frauds > 0 for m in ring.members)
    text = f"card in a ring with {_cards(len(others))}, {confirmed} with confirmed fraud"
    return _touch_of(ring, "RING_CARD", text)


def _touch_of(ring: FraudRing, code: str, evidence: str) -> Touch:
    return Touch(Ring(ring_id=ring.ring_id, ring_score=ring.score, evidence=evidence), code)


def _cards(count: int) -> str:
    return "1 other card" if count == 1 else f"{count:,} other cards"
