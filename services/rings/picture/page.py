"""Makes a page of a ring: its picture and the evidence behind it, one HTML file without scripts or links."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from xml.etree import ElementTree as ET

from models.rings.communities.types import FraudRing
from services.rings.picture.svg import NAMES, drawn
from services.rings.picture.words import counted, money, safe

MOST_ROWS = 200
_STYLE = """
body{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif;color:#0f172a;max-width:1180px;
margin:16px auto;padding:0 16px}
svg{width:100%;height:auto;border:1px solid #cbd5e1;border-radius:8px}
table{border-collapse:collapse;font-size:13px;margin-bottom:24px}
th,td{text-align:left;padding:4px 14px 4px 0;border-bottom:1px solid #e2e8f0;overflow-wrap:anywhere}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}h2{font-size:17px;margin:24px 0 8px}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(ring: FraudRing, at: datetime) -> str:
    """Return the page of a ring as known at ``at``; long tables end with how many rows were left out."""
    root = ET.Element("html", {"lang": "en"})
    head, body = ET.SubElement(root, "head"), ET.SubElement(root, "body")
    ET.SubElement(head, "meta", {"charset": "utf-8"})
    ET.SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    ET.SubElement(head, "title").text = safe(f"Fraud {ring.ring_id}")
    ET.SubElement(head, "style").text = _STYLE
    body.append(drawn(ring, at))
    _table(
        body,
        "Members",
        ("type", "id", "payments", "confirmed frauds", "cards", "cards with fraud"),
        ((NAMES[m.type], m.id, m.payments, m.frauds, m.cards, m.cards_with_fraud) for m in ring.members),
        len(ring.members),
    )
    _table(
        body,
        "Evidence",
        ("card", "through", "id", "payments", "confirmed frauds", "first seen (UTC)", "last seen (UTC)"),
        (
            (e.card_id, NAMES[e.type], e.id, e.payments, e.frauds, _time(e.first_seen), _time(e.last_seen))
            for e in ring.edges
        ),
        len(ring.edges),
    )
    _table(
        body,
        "Timeline",
        ("day", "payments", "confirmed frauds", "new cards", "amounts"),
        ((d.day.isoformat(), d.payments, d.frauds, d.new_cards, money(d.amounts)) for d in ring.timeline),
        len(ring.timeline),
    )
    return "<!DOCTYPE html>\n" + ET.tostring(root, encoding="unicode", method="html") + "\n"


def _table(
    body: ET.Element, title: str, names: Sequence[str], rows: Iterable[tuple[str | int, ...]], total: int
) -> None:
    ET.SubElement(body, "h2").text = title
    table = ET.SubElement(body, "table")
    head = ET.SubElement(table, "tr")
    for name in names:
        ET.SubElement(head, "th").text = name
    for values, _ in zip(rows, range(MOST_ROWS), strict=False):
        line = ET.SubElement(table, "tr")
        for value in values:
            cell = ET.SubElement(line, "td", {"class": "n"} if isinstance(value, int) else {})
            cell.text = f"{value:,}" if isinstance(value, int) else safe(value)
    if total > MOST_ROWS:
        ET.SubElement(body, "p").text = f"{counted(total - MOST_ROWS, 'more row')} left out; `--json` has all."


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "own account"
