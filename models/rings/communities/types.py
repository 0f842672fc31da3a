"""What is told of a ring: its members, the evidence that joins them, when and how much."""

from datetime import date, datetime
from typing import Literal

import msgspec

from models.rings.communities.links import Kind

Node = Literal["card"] | Kind
Pattern = Literal["returning", "passing"]
Money = dict[str, float]  # major units by currency


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A card of a ring, or what its cards share: their payments within the ring, and how many cards those are of."""

    type: Node
    id: str
    payments: int
    frauds: int
    cards: int
    cards_with_fraud: int


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence that a card belongs: its payments through one of the shared entities.

    Without payments it is a card whose own account received money; both times are null then.
    """

    card_id: str
    type: Kind
    id: str
    payments: int
    frauds: int
    first_seen: datetime | None
    last_seen: datetime | None


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A ring's payments on one day (UTC); ``new_cards`` were not seen in it before."""

    day: date
    payments: int
    frauds: int
    new_cards: int
    amounts: Money


class FraudRing(msgspec.Struct, frozen=True, kw_only=True):
    """A ring as found at one moment.

    ``score`` is the share of the ring's payments that is fraud, as far as it is known. The ``pattern`` is returning
    where most cards came back on another day, as mules' do, and passing where they did not, as stolen cards in one
    hand. ``frauds`` are confirmed, ``money_lost`` is theirs, ``money_at_risk`` that of payments of which nothing is
    known yet. ``found_at`` is the moment of the run that first found it. ``members`` are the most suspicious first.
    """

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
    members: tuple[Member, ...]
    edges: tuple[Edge, ...]
    timeline: tuple[Day, ...]

    def card_ids(self) -> frozenset[str]:
        """Return the cards among the members."""
        return frozenset(member.id for member in self.members if member.type == "card")
