"""One consumer group of the broker in memory: members, who holds which partition, committed offsets."""

from collections.abc import Mapping
from typing import Protocol

from streaming.broker import Position


class Member(Protocol):
    """What a group must know of a member: the topics that it subscribed to."""

    topics: tuple[str, ...]


class Group:
    """Members in order of joining; each topic's partitions are dealt out in ranges, as Kafka's default does.

    Not thread-safe: the broker's lock is held by its callers.
    """

    def __init__(self) -> None:
        self.committed: dict[Position, int] = {}
        self.generation = 0
        self._members: list[Member] = []
        self._held: dict[int, list[Position]] = {}

    def joined(self, member: Member) -> bool:
        """Whether ``member`` is in the group."""
        return any(known is member for known in self._members)

    def assigned(self, member: Member) -> list[Position]:
        """Return the positions that ``member`` holds now; none when it is not in the group."""
        return self._held.get(id(member), []) if self.joined(member) else []

    def join(self, member: Member, topics: Mapping[str, int]) -> None:
        """Take a member in and deal anew."""
        self._members.append(member)
        self.rebalance(topics)

    def leave(self, member: Member, topics: Mapping[str, int]) -> None:
        """Let a member go and deal its partitions to the others."""
        self._members = [known for known in self._members if known is not member]
        self.rebalance(topics)

    def rebalance(self, topics: Mapping[str, int]) -> None:
        """Deal all partitions of the subscribed topics to the members; starts a new generation."""
        self.generation += 1
        self._held = {id(member): [] for member in self._members}
        for topic, partitions in sorted(topics.items()):
            takers = [member for member in self._members if topic in member.topics]
            for partition in range(partitions if takers else 0):
                owner = takers[partition * len(takers) // partitions if len(takers) < partitions else partition]
                self._held[id(owner)].append((topic, partition))

    def commit(self, offsets: Mapping[Position, int]) -> None:
        """Store offsets."""
        self.committed.update(offsets)
