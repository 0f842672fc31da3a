"""What the rings service answers: rings and neighbourhoods, bounded, saying what was left out."""

from datetime import UTC, date, datetime

import msgspec

from models.rings.communities.neighbours import Neighbour, Neighbourhood
from models.rings.communities.snapshot import RingSnapshot
from models.rings.communities.types import Day, Edge, FraudRing, Member, Money, Pattern

MOST_RINGS = 200
MOST_MEMBERS = 500
MOST_EDGES = 500
MOST_DAYS = 400
MOST_NEIGHBOURS = 100


class RingSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A ring without its members, evidence and timeline."""

    ring_id: str
    score: float
    pattern: Pattern
    first_seen: datetime
    last_seen: datetime
    found_at: datetime
    cards: int
    payments: int
    frauds: int
    money_lost: Money
    money_at_risk: Money


class RingList(msgspec.Struct, frozen=True, kw_only=True):
    """The rings known at ``at``, the highest score first; ``left_out`` says how many more there are."""

    at: datetime
    version: str
    rings: tuple[RingSummary, ...]
    left_out: int


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """How many members, links and days of a ring are not in the answer."""

    members: int
    edges: int
    timeline: int


class RingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One ring as known at ``at``, its most suspicious members and links first."""

    at: datetime
    version: str
    ring: FraudRing
    left_out: LeftOut


class NeighbourhoodAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Who was seen with a card, device, address or receiver before ``at``; ``ring_id`` is null outside of rings."""

    at: datetime
    version: str
    ring_id: str | None
    neighbourhood: Neighbourhood


def ring_list(snapshot: RingSnapshot) -> RingList:
    """Return the rings of a snapshot in short."""
    chosen = snapshot.rings[:MOST_RINGS]
    names = RingSummary.__struct_fields__
    return RingList(
        at=snapshot.at,
        version=snapshot.version,
        rings=tuple(RingSummary(**{name: getattr(ring, name) for name in names}) for ring in chosen),
        left_out=len(snapshot.rings) - len(chosen),
    )


def ring_answer(snapshot: RingSnapshot, ring: FraudRing) -> RingAnswer:
    """Return one ring, no longer than an answer may be; of its timeline the last days stay."""
    bounded = msgspec.structs.replace(
        ring,
        members=ring.members[:MOST_MEMBERS],
        edges=ring.edges[:MOST_EDGES],
        timeline=ring.timeline[-MOST_DAYS:],
    )
    left_out = LeftOut(
        members=len(ring.members) - len(bounded.members),
        edges=len(ring.edges) - len(bounded.edges),
        timeline=len(ring.timeline) - len(bounded.timeline),
    )
    return RingAnswer(at=snapshot.at, version=snapshot.version, ring=bounded, left_out=left_out)


_FIRST, _LAST = datetime(2026, 1, 20, 9, 30, tzinfo=UTC), datetime(2026, 1, 30, 18, 5, tzinfo=UTC)
_AT = datetime(2026, 1, 31, tzinfo=UTC)
_CARDS = ("card_51", "card_07", "card_88")
RING = FraudRing(
    ring_id="ring-4f1c0a9be2d7",
    score=0.71,
    pattern="returning",
    first_seen=_FIRST,
    last_seen=_LAST,
    found_at=_AT,
    cards=3,
    payments=5,
    frauds=3,
    money_lost={"EUR": 812.4},
    money_at_risk={"EUR": 240.0},
    members=(
        *(
            Member(type="card", id=card, payments=2 - (card == "card_88"), frauds=1, cards=1, cards_with_fraud=1)
            for card in _CARDS
        ),
        Member(type="device", id="dev_9", payments=5, frauds=3, cards=3, cards_with_fraud=3),
    ),
    edges=tuple(
        Edge(
            card_id=card,
            type="device",
            id="dev_9",
            payments=2 - (card == "card_88"),
            frauds=1,
            first_seen=_FIRST,
            last_seen=_LAST,
        )
        for card in _CARDS
    ),
    timeline=(
        Day(day=date(2026, 1, 20), payments=3, frauds=3, new_cards=3, amounts={"EUR": 812.4}),
        Day(day=date(2026, 1, 30), payments=2, frauds=0, new_cards=0, amounts={"EUR": 240.0}),
    ),
)
VERSION = "rings-0b5e77d1c2f4"
LIST = RingList(
    at=_AT,
    version=VERSION,
    rings=(RingSummary(**{name: getattr(RING, name) for name in RingSummary.__struct_fields__}),),
    left_out=0,
)
ANSWER = RingAnswer(at=_AT, version=VERSION, ring=RING, left_out=LeftOut(members=0, edges=0, timeline=0))
NEIGHBOURHOOD = NeighbourhoodAnswer(
    at=_AT,
    version=VERSION,
    ring_id=RING.ring_id,
    neighbourhood=Neighbourhood(
        type="device",
        id="dev_9",
        neighbours=(
            Neighbour(
                type="card",
                id="card_51",
                payments=2,
                frauds=1,
                honest=0,
                first_seen=_FIRST,
                last_seen=_LAST,
                neighbours=4,
            ),
        ),
        left_out=2,
    ),
)
