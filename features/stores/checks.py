"""Argument checks shared by every store, so that a mistake fails alike on all of them."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from features.store import ENTITIES


def check_entities(entities: Iterable[str]) -> None:
    """Raise ValueError for a name that is not an entity."""
    for entity in entities:
        if entity not in ENTITIES:
            raise ValueError(f"unknown entity {entity!r}: the entities are {', '.join(ENTITIES)}")


def check_utc(as_of: datetime) -> None:
    """Raise ValueError unless ``as_of`` is an aware time in UTC."""
    if as_of.utcoffset() != timedelta(0):
        raise ValueError("as_of must be an aware datetime in UTC")
