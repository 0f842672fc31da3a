"""Describes a community of suspicious links as a ring: members, evidence, timeline, money."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from features.epoch import from_epoch_us
from models.rings.communities.links import FRAUD, KINDS, UNKNOWN, Past
from models.rings.communities.types import Day, Edge, FraudRing, Member, Money, Pattern

_DAY_US = 86_400_000_000


class Link(NamedTuple):
    """A row of `Past.links`."""

    card: int
    entity: int
    payments: int
    frauds: int
    first_us: int
    last_us: int


class Payment(NamedTuple):
    """A row of `Past.payments`."""

    time_us: int
    card: int
    verdict: int
    amount: float
    currency: str

    @property
    def day(self) -> int:
        """Days since 1970-01-01 UTC."""
        return self.time_us // _DAY_US


@dataclass(frozen=True)
class Found:
    """A community's links, the payments over them, each once, and its score."""

    links: Sequence[Link]
    payments: Sequence[Payment]
    score: float


def described(past: Past, found: Found) -> FraudRing:
    """Return the ring, still without an id (`models.rings.communities.ids`)."""
    payments = found.payments
    frauds = [payment for payment in payments if payment.verdict == FRAUD]
    cards = _cards(past, found)
    return FraudRing(
        ring_id="",
        score=found.score,
        pattern=_pattern(payments),
        first_seen=from_epoch_us(min(payment.time_us for payment in payments)),
        last_seen=from_epoch_us(max(payment.time_us for payment in payments)),
        found_at=past.at,
        cards=len(cards),
        payments=len(payments),
        frauds=len(frauds),
        money_lost=_money(frauds),
        money_at_risk=_money([payment for payment in payments if payment.verdict == UNKNOWN]),
        members=(*_worst_first(cards), *_worst_first(_shared(past, found.links))),
        edges=_edges(past, found.links),
        timeline=_timeline(payments),
    )


def _pattern(payments: Iterable[Payment]) -> Pattern:
    days = defaultdict(set)
    for payment in payments:
        days[payment.card].add(payment.day)
    came_back = sum(len(each) > 1 for each in days.values())
    return "returning" if 2 * came_back >= len(days) else "passing"


def _money(payments: Iterable[Payment]) -> Money:
    amounts = defaultdict(list)
    for payment in payments:
        amounts[payment.currency].append(payment.amount)
    return {currency: round(math.fsum(amounts[currency]), 2) for currency in sorted(amounts)}


def _cards(past: Past, found: Found) -> list[Member]:
    payments = Counter(payment.card for payment in found.payments)
    frauds = Counter(payment.card for payment in found.payments if payment.verdict == FRAUD)
    return [
        Member(
            type="card",
            id=past.cards[card],
            payments=payments[card],
            frauds=frauds[card],
            cards=1,
            cards_with_fraud=int(frauds[card] > 0),
        )
        for card in {link.card for link in found.links}
    ]


def _shared(past: Past, links: Iterable[Link]) -> list[Member]:
    of_entity = defaultdict(list)
    for link in links:
        of_entity[link.entity].append(link)
    return [
        Member(
            type=KINDS[past.kinds[entity]],
            id=past.entities[entity],
            payments=sum(link.payments for link in own),
            frauds=sum(link.frauds for link in own),
            cards=len(own),
            cards_with_fraud=sum(link.frauds > 0 for link in own),
        )
        for entity, own in of_entity.items()
    ]


def _worst_first(members: Iterable[Member]) -> list[Member]:
    return sorted(members, key=lambda member: (-member.frauds, -member.payments, member.type, member.id))


def _edges(past: Past, links: Iterable[Link]) -> tuple[Edge, ...]:
    edges = [
        Edge(
            card_id=past.cards[link.card],
            type=KINDS[past.kinds[link.entity]],
            id=past.entities[link.entity],
            payments=link.payments,
            frauds=link.frauds,
            first_seen=_moment(link.first_us),
            last_seen=_moment(link.last_us),
        )
        for link in links
    ]
    return tuple(sorted(edges, key=lambda edge: (-edge.frauds, -edge.payments, edge.type, edge.id, edge.card_id)))


def _moment(microseconds: int) -> datetime | None:
    return from_epoch_us(microseconds) if microseconds >= 0 else None


def _timeline(payments: Iterable[Payment]) -> tuple[Day, ...]:
    of_day = defaultdict(list)
    for payment in payments:
        of_day[payment.day].append(payment)
    days, seen = [], set[int]()
    for number in sorted(of_day):
        today = of_day[number]
        cards = {payment.card for payment in today}
        days.append(
            Day(
                day=from_epoch_us(number * _DAY_US).date(),
                payments=len(today),
                frauds=sum(payment.verdict == FRAUD for payment in today),
                new_cards=len(cards - seen),
                amounts=_money(today),
            )
        )
        seen |= cards
    return tuple(days)
