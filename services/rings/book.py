"""The rings that a service answers from: the newest snapshot, taken up when there is a newer one."""

import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from features.errors import StateError
from models.rings.communities.neighbours import Neighbours
from models.rings.communities.snapshot import RingSnapshot, load_links, load_snapshot, moments

NO_RINGS = "No rings were looked for yet."
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Pages:
    """One snapshot, the ring of each card and shared entity in it, and all neighbourhoods of its moment."""

    snapshot: RingSnapshot
    neighbours: Neighbours
    ring_of: dict[tuple[str, str], str]


class RingBook:
    """Reads snapshots from a directory; safe to share between threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._pages: Pages | None = None
        self._tried: datetime | None = None

    def pages(self) -> Pages | None:
        """Return the newest snapshot that can be read; None where there is none.

        A damaged one is logged, and the one before stays in use. Raises `StateError` where there is no other.
        """
        with self._lock:
            known = moments(self._directory)
            if known and known[-1] != self._tried:
                self._take(known[-1])
            return self._pages

    def awaited(self) -> list[str]:
        """Return why no question can be answered; nothing is read for that."""
        return [] if self._pages or moments(self._directory) else [NO_RINGS]

    def _take(self, at: datetime) -> None:
        try:
            self._pages = _read(self._directory, at)
        except StateError as error:
            if self._pages is None:
                raise
            log.error("a ring snapshot is refused; the one before stays in use", error=str(error))
        self._tried = at


def _read(directory: Path, at: datetime) -> Pages:
    snapshot = load_snapshot(directory, at)
    neighbours = Neighbours(load_links(directory, snapshot))
    # Communities are disjoint in people and entities; of one person's cards each is in one ring.
    ring_of: dict[tuple[str, str], str] = {
        (member.type, member.id): ring.ring_id for ring in snapshot.rings for member in ring.members
    }
    return Pages(snapshot, neighbours, ring_of)
