"""What a group's member may commit: offsets of the positions that it holds, and none behind what is committed."""

from collections.abc import Callable, Container, Mapping

from streaming.broker import Position


class CommittedOffsets:
    """The committed offsets of one member's positions; ``ask`` gets one from the broker, once per assignment.

    A member may have been stopped for so long that others have its positions, and not know it yet: what they have
    committed is no mistake of its own.
    """

    def __init__(self, ask: Callable[[Position], int]) -> None:
        self._ask = ask
        self._known: dict[Position, int] = {}
        self._own: dict[Position, int] = {}

    def of(self, position: Position) -> int:
        """Return the next offset to read that is committed for ``position``; 0 when there is none."""
        if position not in self._known:
            self._known[position] = self._ask(position)
        return self._known[position]

    def committable(self, offsets: Mapping[Position, int], held: Container[Position]) -> dict[Position, int]:
        """Return the part of ``offsets`` that is ``held`` and not behind what others have committed.

        One in it behind what this member itself has committed raises ValueError.
        """
        mine = {position: offset for position, offset in offsets.items() if position in held}
        for (topic, partition), offset in mine.items():
            floor = self._own.get((topic, partition), 0)
            if offset < floor:
                raise ValueError(f"offset {offset} of {topic}[{partition}] is behind {floor}, which is committed")
        return {position: offset for position, offset in mine.items() if offset >= self.of(position)}

    def not_behind(self, offsets: Mapping[Position, int], held: Container[Position]) -> dict[Position, int]:
        """Return the part of ``offsets`` that is ``held`` and not behind what is known to be committed; asks nobody."""
        known = self._known
        return {p: offset for p, offset in offsets.items() if p in held and offset >= known.get(p, 0)}

    def remember(self, offsets: Mapping[Position, int]) -> None:
        """Take note that ``offsets`` have been committed."""
        self._known.update(offsets)
        self._own.update(offsets)

    def forget(self) -> None:
        """Forget everything, because partitions change hands: their next owner may commit more."""
        self._known.clear()
        self._own.clear()
