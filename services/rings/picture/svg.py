"""Draws a ring as SVG: who shares what with whom, since when, and what is confirmed."""

from datetime import datetime
from math import log2
from xml.etree import ElementTree as ET

from models.rings.communities.types import FraudRing, Node
from services.rings.picture import layout
from services.rings.picture.layout import Box, CardBox, Layout, Line, laid_out
from services.rings.picture.timeline import draw_timeline
from services.rings.picture.words import counted, day, money, safe, short, span

TIMELINE_HEIGHT = 150
_LEGEND_STEP = 210
NAMES: dict[Node, str] = {"card": "card", "device": "device", "ip": "address", "counterparty": "receiver of money"}
_STYLE = """
text{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif;font-size:13px;fill:#0f172a}
.title{font-size:22px;font-weight:700}.sub{font-size:14px;fill:#334155}.note{font-size:12px;fill:#475569}
.id{font-weight:600}.box{fill:#fff;stroke:#64748b;stroke-width:1.2}
.fraud{fill:#b91c1c}.unsure{fill:#d97706}.shape{fill:#e0f2fe;stroke:#0369a1;stroke-width:1.5}
.link{fill:none;stroke:#94a3b8;stroke-linecap:round}.hot{stroke:#b91c1c}.own{stroke-dasharray:5 4}
.end{text-anchor:end}.mid{text-anchor:middle}.axis{stroke:#94a3b8;stroke-width:1}.bar{fill:#94a3b8}.hotbar{fill:#b91c1c}
"""


def picture(ring: FraudRing, at: datetime) -> str:
    """Return the picture of a ring as known at ``at``, an SVG document of its own."""
    return ET.tostring(drawn(ring, at), encoding="unicode") + "\n"


def drawn(ring: FraudRing, at: datetime) -> ET.Element:
    """Return the picture as a tree, to be put into a page."""
    placed = laid_out(ring)
    height = placed.bottom + TIMELINE_HEIGHT + 80
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {layout.WIDTH} {height}",
            "role": "img",
            "aria-label": f"Fraud ring {safe(ring.ring_id)}",
        },
    )
    ET.SubElement(root, "style").text = _STYLE
    ET.SubElement(root, "rect", {"width": str(layout.WIDTH), "height": str(height), "fill": "#ffffff"})
    _head(root, ring, at)
    _columns(root)
    for line in placed.lines:
        _line(root, line)
    for box in placed.boxes:
        _box(root, box)
    for card in placed.cards:
        _card(root, card)
    _left_out(root, placed)
    draw_timeline(root, ring.timeline, placed.bottom + 50, layout.WIDTH)
    _legend(root, height - 52)
    return root


def text(parent: ET.Element, x: float, y: float, content: str, style: str = "") -> ET.Element:
    """Add a line of text; what XML cannot hold is replaced."""
    element = ET.SubElement(parent, "text", {"x": f"{x:g}", "y": f"{y:g}"} | ({"class": style} if style else {}))
    element.text = safe(content)
    return element


def _head(root: ET.Element, ring: FraudRing, at: datetime) -> None:
    text(root, 24, 40, f"Fraud {ring.ring_id}", "title")
    text(root, layout.WIDTH - 24, 40, f"score {ring.score:.2f}, {ring.pattern}", "title end")
    text(
        root,
        24,
        66,
        f"{counted(ring.cards, 'card')}, {counted(ring.payments, 'payment')} through what they share, "
        f"{ring.frauds:,} confirmed as fraud. Lost {money(ring.money_lost)}; at risk {money(ring.money_at_risk)}.",
        "sub",
    )
    text(
        root,
        24,
        88,
        f"First seen {day(ring.first_seen)}, last {day(ring.last_seen)}, found {day(ring.found_at)}; "
        f"as known at {day(at)}, {at:%H:%M} UTC.",
        "sub",
    )


def _columns(root: ET.Element) -> None:
    y = layout.TOP - 18
    text(root, layout.LEFT, y, "Devices", "note")
    text(root, layout.MIDDLE, y, "Cards", "note")
    text(root, layout.RIGHT, y, "Addresses and receivers of money", "note")


def _line(root: ET.Element, line: Line) -> None:
    bend = (line.x2 - line.x1) / 2
    style = "link" + (" hot" if line.edge.frauds else "") + ("" if line.edge.payments else " own")
    path = f"M{line.x1} {line.y1}C{line.x1 + bend:g} {line.y1} {line.x2 - bend:g} {line.y2} {line.x2} {line.y2}"
    width = f"{1.2 + min(3.0, 0.7 * log2(max(1, line.edge.payments))):.2f}"
    ET.SubElement(root, "path", {"d": path, "class": style, "stroke-width": width})


def _box(root: ET.Element, box: Box) -> None:
    group = ET.SubElement(root, "g")
    member = box.member
    _title(group, f"{NAMES[member.type]} {member.id}")
    sizes = {"width": str(box.width), "height": str(box.height), "rx": "8"}
    ET.SubElement(group, "rect", {"x": str(box.x), "y": str(box.y), **sizes, "class": "box"})
    shape(group, member.type, box.x + 20, box.y + 20)
    text(group, box.x + 40, box.y + 17, short(member.id), "id")
    told = f"{counted(member.cards, 'card')}, {member.cards_with_fraud} with confirmed fraud"
    text(group, box.x + 40, box.y + 33, told, "note")
    for index, edge in enumerate(box.rows):
        y = box.y + layout.HEAD + layout.ROW * index + 13
        paid = (
            f"{counted(edge.payments, 'payment')}, {counted(edge.frauds, 'fraud')}"
            if edge.payments
            else "receives here"
        )
        if box.x < layout.MIDDLE:
            text(group, box.x + 40, y, span(edge.first_seen, edge.last_seen), "note")
            text(group, box.x + box.width - 10, y, paid, "note end")
        else:
            text(group, box.x + 10, y, paid, "note")
            text(group, box.x + box.width - 10, y, span(edge.first_seen, edge.last_seen), "note end")
    if box.left_out:
        y = box.y + layout.HEAD + layout.ROW * len(box.rows) + 13
        text(group, box.x + 40, y, f"and {counted(box.left_out, 'more card')}", "note")


def _card(root: ET.Element, card: CardBox) -> None:
    group = ET.SubElement(root, "g")
    member = card.member
    _title(group, f"card {member.id}")
    place = {"x": str(card.x), "y": str(card.y), "height": str(layout.CARD_HEIGHT)}
    ET.SubElement(group, "rect", {**place, "width": str(layout.MIDDLE_WIDTH), "rx": "8", "class": "box"})
    colour = "fraud" if member.frauds else "unsure"
    ET.SubElement(group, "rect", {**place, "width": "10", "rx": "4", "class": colour})
    text(group, card.x + 20, card.y + 18, short(member.id), "id")
    told = f"{counted(member.payments, 'payment')}, {counted(member.frauds, 'fraud')}"
    text(group, card.x + 20, card.y + 35, told, "note")


def shape(parent: ET.Element, kind: Node, x: float, y: float) -> None:
    """Draw the sign of a type of node around a point."""
    if kind == "ip":
        ET.SubElement(parent, "circle", {"cx": f"{x:g}", "cy": f"{y:g}", "r": "9", "class": "shape"})
        return
    points = {
        "device": ((-10, 0), (-5, -9), (5, -9), (10, 0), (5, 9), (-5, 9)),
        "counterparty": ((-11, 0), (0, -11), (11, 0), (0, 11)),
        "card": ((-12, -8), (12, -8), (12, 8), (-12, 8)),
    }[kind]
    path = " ".join(f"{x + dx:g},{y + dy:g}" for dx, dy in points)
    ET.SubElement(parent, "polygon", {"points": path, "class": "shape"})


def _title(group: ET.Element, content: str) -> None:
    ET.SubElement(group, "title").text = safe(content)


def _left_out(root: ET.Element, placed: Layout) -> None:
    parts = [f"{number:,} {what}" for what, number in placed.left_out.items() if number]
    if parts:
        names = " and ".join(parts).replace("shared", "devices, addresses or receivers")
        text(root, 24, placed.bottom + 28, f"Not drawn, being less suspicious: {names}.", "note")


def _legend(root: ET.Element, y: int) -> None:
    x = 36
    for kind in ("device", "ip", "counterparty"):
        shape(root, kind, x, y - 4)
        text(root, x + 18, y, NAMES[kind], "note")
        x += _LEGEND_STEP
    for colour, name in (("fraud", "card with confirmed fraud"), ("unsure", "card, nothing confirmed yet")):
        ET.SubElement(root, "rect", {"x": f"{x - 6}", "y": f"{y - 13}", "width": "10", "height": "18", "class": colour})
        text(root, x + 12, y, name, "note")
        x += _LEGEND_STEP
    x, y = 24, y + 30
    for style, name in (("hot", "used with confirmed fraud"), ("", "used, nothing confirmed"), ("own", "own account")):
        path = {"d": f"M{x} {y - 4}h30", "class": f"link {style}".strip(), "stroke-width": "2.4"}
        ET.SubElement(root, "path", path)
        text(root, x + 38, y, name, "note")
        x += _LEGEND_STEP
    text(root, x, y, "Thicker lines carried more payments. Frauds are confirmed ones; times are UTC.", "note")
