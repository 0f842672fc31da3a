"""The strip below a ring's picture: its payments over time, confirmed frauds in red."""

from collections.abc import Sequence
from datetime import date, timedelta
from xml.etree import ElementTree as ET

from models.rings.communities.types import Day
from services.rings.picture.words import counted

HEIGHT = 70
_MOST_BARS = 60
_LEFT, _LABEL = 24, 110


def draw_timeline(root: ET.Element, days: Sequence[Day], top: int, width: int) -> None:
    """Draw bars of equal spans of days: days where that fits, else several to a bar."""
    first = days[0].day
    total = (days[-1].day - first).days + 1
    step = -(-total // _MOST_BARS)
    bars = -(-total // step)
    payments, frauds = [0] * bars, [0] * bars
    for day in days:
        bar = (day.day - first).days // step
        payments[bar] += day.payments
        frauds[bar] += day.frauds
    most, left = max(payments), _LEFT + _LABEL
    slot = min(48.0, (width - left - _LEFT) / bars)
    _text(root, _LEFT, top + 14, "Payments", "note")
    _text(root, _LEFT, top + 30, "a day" if step == 1 else f"in {step} days", "note")
    _text(root, left - 8, top + 12, str(most), "note end")
    for bar in range(bars):
        x, begins = left + bar * slot, first + timedelta(days=bar * step)
        for count, style in ((payments[bar], "bar"), (frauds[bar], "hotbar")):
            if count:
                tall = HEIGHT * count / most
                place = {"x": f"{x:.1f}", "y": f"{top + HEIGHT - tall:.1f}", "width": f"{slot * 0.8:.1f}"}
                drawn = ET.SubElement(root, "rect", {**place, "height": f"{tall:.1f}", "class": style})
                told = f"{begins.isoformat()}: {counted(payments[bar], 'payment')}, {frauds[bar]} confirmed"
                ET.SubElement(drawn, "title").text = told
    base = top + HEIGHT
    ET.SubElement(root, "path", {"d": f"M{left} {base}H{left + bars * slot:.1f}", "class": "axis"})
    for bar in _labelled(bars, slot):
        _text(root, left + bar * slot, base + 16, _day(first + timedelta(days=bar * step)), "note")


def _labelled(bars: int, slot: float) -> list[int]:
    """Return the bars that get a date: as many as have room."""
    every = max(1, -(-64 // max(1, int(slot))))
    return list(range(0, bars, every))


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"


def _text(root: ET.Element, x: float, y: float, content: str, style: str) -> None:
    ET.SubElement(root, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "class": style}).text = content
