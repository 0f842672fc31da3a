"""How a ring's facts are worded in pictures and pages."""

from datetime import datetime

from models.rings.communities.types import Money

_LONGEST = 22


def safe(text: str) -> str:
    """Return a text with what XML cannot hold, control characters above all, as U+FFFD."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def short(name: str) -> str:
    """Return an id that fits a box: its beginning and its end."""
    text = safe(name)
    return text if len(text) <= _LONGEST else f"{text[:12]}…{text[-9:]}"


def counted(number: int, what: str) -> str:
    """Return ``1 card``, ``2 cards``, ``1,234 cards``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def money(amounts: Money) -> str:
    """Return amounts by currency, ``EUR 1,234.50``; a dash for none."""
    return " + ".join(f"{safe(currency)} {amount:,.2f}" for currency, amount in amounts.items()) or "nothing"


def day(moment: datetime) -> str:
    """Return a moment's day, ``2 Mar 2025``."""
    return f"{moment.day} {moment:%b %Y}"


def span(first: datetime | None, last: datetime | None) -> str:
    """Return from when to when, as short as can be; one day's links tell the time too."""
    if first is None or last is None:
        return "own account"
    if first.date() == last.date():
        return f"{first.day} {first:%b}, {first:%H:%M}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{last.day} {last:%b}"  # noqa: RUF001 a dash between numbers
    return f"{first.day} {first:%b}–{last.day} {last:%b}"  # noqa: RUF001
