"""Where everything of a ring's picture goes: cards in the middle, devices left, addresses and receivers right.

Every text has a row of its own, so labels cannot overlap: an entity is a box with one row for each card that used it,
and a line leads from the row to the card.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from models.rings.communities.types import Edge, FraudRing, Member

MOST_CARDS = 16
MOST_SHARED = 8  # on either side
MOST_ROWS = 8  # of a box
WIDTH = 1180
HEAD, ROW, GAP, TOP = 40, 18, 16, 150
CARD_HEIGHT, CARD_GAP = 44, 14
LEFT, LEFT_WIDTH = 24, 330
MIDDLE, MIDDLE_WIDTH = 480, 220
RIGHT, RIGHT_WIDTH = 826, 330


@dataclass(frozen=True, slots=True)
class Box:
    """A shared entity: its place, the links that have a row, and how many have none."""

    member: Member
    x: int
    y: int
    width: int
    height: int
    rows: tuple[Edge, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class CardBox:
    """A card and its place."""

    member: Member
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Line:
    """A link: from a row of a box to a card."""

    edge: Edge
    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything placed; ``bottom`` is below all of it, ``left_out`` counts what is not drawn, by type."""

    cards: tuple[CardBox, ...]
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    bottom: int
    left_out: dict[str, int]


def laid_out(ring: FraudRing) -> Layout:
    """Place the most suspicious cards and entities of a ring, at most as many as can be read."""
    left = [member for member in ring.members if member.type == "device"]
    right = [member for member in ring.members if member.type in ("ip", "counterparty")]
    cards = [member for member in ring.members if member.type == "card"]
    drawn = {member.id for member in cards[:MOST_CARDS]}
    shown = {(member.type, member.id) for member in (*left[:MOST_SHARED], *right[:MOST_SHARED])}
    edges = [edge for edge in ring.edges if edge.card_id in drawn and (edge.type, edge.id) in shown]
    place = _card_order(cards[:MOST_CARDS], [*left[:MOST_SHARED], *right[:MOST_SHARED]], edges)
    columns = [
        _column(left[:MOST_SHARED], edges, place, LEFT, LEFT_WIDTH),
        _column(right[:MOST_SHARED], edges, place, RIGHT, RIGHT_WIDTH),
    ]
    card_column = max(0, len(place) * (CARD_HEIGHT + CARD_GAP) - CARD_GAP)
    height = max([card_column, *(_height(column) for column in columns)])
    boxes = tuple(box for column in columns for box in _centred(column, height))
    first = TOP + (height - card_column) // 2
    placed = tuple(
        CardBox(member, MIDDLE, first + place[member.id] * (CARD_HEIGHT + CARD_GAP))
        for member in sorted(cards[:MOST_CARDS], key=lambda member: place[member.id])
    )
    out = {"cards": len(cards) - len(placed), "shared": len(left) + len(right) - len(boxes)}
    return Layout(placed, boxes, _lines(boxes, placed), TOP + height, out)


def _card_order(cards: Sequence[Member], shared: Sequence[Member], edges: Sequence[Edge]) -> dict[str, int]:
    """Return each card's place from the top: beside what it is linked to, so that few lines cross."""
    rank = {(member.type, member.id): index for index, member in enumerate(shared)}
    ranks: dict[str, list[int]] = {card.id: [] for card in cards}
    for edge in edges:
        ranks[edge.card_id].append(rank[edge.type, edge.id])
    order = sorted(cards, key=lambda card: (sum(ranks[card.id]) / max(1, len(ranks[card.id])), card.id))
    return {card.id: index for index, card in enumerate(order)}


def _column(members: Sequence[Member], edges: Sequence[Edge], place: dict[str, int], x: int, width: int) -> list[Box]:
    boxes, y = [], 0
    for member in members:
        own = [edge for edge in edges if (edge.type, edge.id) == (member.type, member.id)]
        rows = tuple(sorted(own[:MOST_ROWS], key=lambda edge: place[edge.card_id]))
        left_out = member.cards - len(rows)
        height = HEAD + ROW * (len(rows) + (left_out > 0)) + 8
        boxes.append(Box(member, x, y, width, height, rows, left_out))
        y += height + GAP
    return boxes


def _height(column: Sequence[Box]) -> int:
    return column[-1].y + column[-1].height if column else 0


def _centred(column: Sequence[Box], height: int) -> list[Box]:
    offset = TOP + (height - _height(column)) // 2
    return [Box(b.member, b.x, b.y + offset, b.width, b.height, b.rows, b.left_out) for b in column]


def _lines(boxes: Sequence[Box], cards: Sequence[CardBox]) -> tuple[Line, ...]:
    y_of = {card.member.id: card.y for card in cards}
    ends: dict[tuple[str, bool], list[tuple[int, int, Edge]]] = {}
    for box in boxes:
        on_left = box.x < MIDDLE
        for index, edge in enumerate(box.rows):
            start = (box.x + box.width if on_left else box.x, box.y + HEAD + ROW * index + ROW // 2)
            ends.setdefault((edge.card_id, on_left), []).append((*start, edge))
    lines = []
    for (card_id, on_left), starts in ends.items():
        x2 = MIDDLE if on_left else MIDDLE + MIDDLE_WIDTH
        for index, (x1, y1, edge) in enumerate(sorted(starts, key=lambda start: start[1])):
            y2 = y_of[card_id] + round(CARD_HEIGHT * (index + 1) / (len(starts) + 1))
            lines.append(Line(edge, x1, y1, x2, y2))
    return tuple(lines)
