"""What a group's member may commit: offsets of the positions that it holds, and none behind what is committed."""

from collections.abc import Callable, Container, Mapping

from streaming.broker import Position


class CommittedOffsets:
    """The committed offsets of one member's positions; ``ask`` gets one from the broker, once per assignment."""

    def __init__(self, ask: Callable[[Position], int]) -> None:
        self._ask = ask
        self._known: dict[Position, int] = {}

    def of(self, position: Position) -> int:
        """Return the next offset to read that is committed for ``position``; 0 when there is none."""
        if position not in self._known:
            self._known[position] = self._ask(position)
        return self._known[position]

    def committable(self, offsets: Mapping[Position, int], held: Container[Position]) -> dict[Position, int]:
        """Return the part of ``offsets`` that is ``held``; one in it behind the committed raises ValueError."""
        mine = {position: offset for position, offset in offsets.items() if position in held}
        check_forwards(mine, self.of)
        return mine

    def not_behind(self, offsets: Mapping[Position, int], held: Container[Position]) -> dict[Position, int]:
        """Return the part of ``offsets`` that is ``held`` and not behind what is known to be committed; asks nobody."""
        known = self._known
        return {p: offset for p, offset in offsets.items() if p in held and offset >= known.get(p, 0)}

    def remember(self, offsets: Mapping[Position, int]) -> None:
        """Take note that ``offsets`` have been committed."""
        self._known.update(offsets)

    def forget(self) -> None:
        """Forget everything, because partitions change hands: their next owner may commit more."""
        self._known.clear()


def check_forwards(offsets: Mapping[Position, int], committed: Callable[[Position], int]) -> None:
    """Raise ValueError for an offset that is behind the one ``committed`` for its position."""
    for (topic, partition), offset in offsets.items():
        floor = committed((topic, partition))
        if offset < floor:
            raise ValueError(f"offset {offset} of {topic}[{partition}] is behind {floor}, which is committed")
