"""The broker in memory: partitions, groups, committed offsets, rebalances and redelivery, without a server.

It is the strictest broker that the seam allows: what is not flushed is not there, and a rebalance sends every member
back to the committed offsets. Code that is right on it is right on Kafka. Thread-safe; one broker is one cluster.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from features.errors import BrokerUnavailable
from streaming.broker import Headers, OnRevoke, Position, Record
from streaming.brokers.faults import Faults, Operation
from streaming.brokers.memory_group import Group
from streaming.brokers.memory_logs import Logs
from streaming.brokers.offsets import CommittedOffsets


class MemoryBroker:
    """A Kafka cluster in memory.

    ``clock`` gives Unix seconds for record timestamps. Messages beyond `streaming.brokers.limits` are refused, as Kafka
    refuses them. Beyond the seam: `fail_next`, `go_down`, `come_back`, `records`,
    `committed` and `topics`, for tests and for looking inside.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.faults = Faults()
        self.changed = threading.Condition(threading.RLock())
        self.logs = Logs(clock)
        self._groups: dict[str, Group] = {}
        self._down = False

    def ensure_topics(self, partitions: Mapping[str, int]) -> None:
        """Create the topics that do not exist yet; a count below 1 raises `ConfigurationError`."""
        with self.changed, self.faults.around("ensure_topics"):
            self.check_up()
            if self.logs.create(partitions):
                for group in self._groups.values():
                    group.rebalance(self.logs.topics())
                self.changed.notify_all()

    def producer(self) -> "MemoryProducer":
        """Return a new producer."""
        return MemoryProducer(self)

    def consumer(self, topics: Sequence[str], group: str, on_revoke: OnRevoke | None = None) -> "MemoryConsumer":
        """Return a consumer that joins ``group`` at its first poll.

        ``on_revoke`` is never called: here a member learns of a rebalance when it is over, as one that was stopped.
        """
        del on_revoke
        with self.changed:
            return MemoryConsumer(self, tuple(topics), self._groups.setdefault(group, Group()))

    def scan(self, topic: str) -> Iterator[Record]:
        """Yield what ``topic`` holds now, partition by partition in order, outside any group."""
        with self.changed:
            self.check_up()
            held = self.records(topic)
        yield from held

    def close(self) -> None:
        """Do nothing: the messages live as long as the object."""

    def fail_next(
        self,
        operation: Operation,
        *,
        skip: int = 0,
        times: int = 1,
        after: bool = False,
        error: BaseException | None = None,
    ) -> None:
        """Plan a fault; see `streaming.brokers.faults.Faults.plan`."""
        with self.changed:
            self.faults.plan(operation, skip=skip, times=times, after=after, error=error)

    def go_down(self) -> None:
        """Stop answering: every operation raises `BrokerUnavailable` until `come_back`."""
        with self.changed:
            self._down = True
            self.changed.notify_all()

    def come_back(self) -> None:
        """Answer again, with messages, groups and offsets as they were."""
        with self.changed:
            self._down = False

    def topics(self) -> dict[str, int]:
        """Return the number of partitions of every topic."""
        with self.changed:
            return self.logs.topics()

    def records(self, topic: str) -> list[Record]:
        """Return everything in ``topic``, partition by partition; empty when there is no such topic."""
        with self.changed:
            return self.logs.records(topic)

    def committed(self, group: str) -> dict[Position, int]:
        """Return the committed offsets of ``group``."""
        with self.changed:
            known = self._groups.get(group)
            return dict(known.committed) if known else {}

    def check_up(self) -> None:
        """Raise `BrokerUnavailable` while the broker is down."""
        if self._down:
            raise BrokerUnavailable("The broker in memory is down.", remedy="Call come_back().")


class MemoryProducer:
    """A producer whose messages become visible at `flush`, in the order sent; a flush that fails loses them."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._queued: list[tuple[str, bytes, bytes | None, Headers]] = []
        self._closed = False

    def send(self, topic: str, value: bytes, *, key: bytes | None = None, headers: Headers = ()) -> None:
        """Queue one message; an unknown topic or a message too large raises `BrokerUnavailable`."""
        with self._broker.changed, self._broker.faults.around("send"):
            if self._closed:
                raise BrokerUnavailable("This producer is closed.", remedy="Ask the broker for a new one.")
            self._broker.check_up()
            self._broker.logs.check_fits(topic, value, key, headers)
            self._queued.append((topic, value, key, tuple(headers)))

    def flush(self, timeout_s: float = 10.0) -> None:  # noqa: ARG002 (the seam's signature; memory never waits)
        """Write everything queued; whatever happens, nothing stays queued."""
        with self._broker.changed:
            queued, self._queued = self._queued, []
            with self._broker.faults.around("flush"):
                if queued:
                    self._broker.check_up()
                for message in queued:
                    self._broker.logs.append(*message)
                self._broker.changed.notify_all()

    def close(self) -> None:
        """Flush and refuse further messages."""
        if not self._closed:
            self._closed = True
            self.flush()


class MemoryConsumer:
    """A member of a consumer group, from its first poll until `close` or `crash`."""

    def __init__(self, broker: MemoryBroker, topics: tuple[str, ...], group: Group) -> None:
        self._broker = broker
        self._group = group
        self.topics = topics
        self._generation = -1
        self._next: dict[Position, int] = {}
        self._committed = CommittedOffsets(lambda position: group.committed.get(position, 0))
        self._closed = False

    def poll(self, timeout_s: float, max_records: int) -> list[Record]:
        """Return up to ``max_records`` messages, waiting at most ``timeout_s`` seconds for the first."""
        if max_records < 1:
            raise ValueError(f"max_records must be at least 1, not {max_records}")
        deadline = time.monotonic() + timeout_s
        with self._broker.changed, self._broker.faults.around("poll"):
            while True:
                self._check_open()
                self._follow_group()
                records = self._take(max_records)
                left = deadline - time.monotonic()
                if records or left <= 0:
                    return records
                self._broker.changed.wait(left)

    def commit(self, offsets: Mapping[Position, int]) -> None:
        """Store the next offset to read per position; all of them or, on an error, none.

        Positions that this member no longer holds are left to their new owner, as Kafka leaves them.
        """
        with self._broker.changed, self._broker.faults.around("commit"):
            self._check_open()
            held = self._group.assigned(self)
            mine = self._committed.committable(offsets, held)
            self._group.commit(mine)
            self._committed.remember(mine)

    def held(self) -> frozenset[Position] | None:
        """The positions of this member; None before its first poll."""
        with self._broker.changed:
            return frozenset(self._next) if self._generation >= 0 else None

    def lag(self) -> dict[Position, int]:
        """Messages not yet polled, per assigned position; empty before the first poll."""
        with self._broker.changed, self._broker.faults.around("lag"):
            self._check_open()
            if self._group.joined(self):
                self._follow_group()
            return {position: self._broker.logs.end(position) - offset for position, offset in self._next.items()}

    def close(self) -> None:
        """Leave the group without committing; the others take over at once."""
        with self._broker.changed:
            self._closed = True
            if self._group.joined(self):
                self._group.leave(self, self._broker.topics())
                self._broker.changed.notify_all()

    def crash(self) -> None:
        """Vanish as a killed process does, its session over: the same as `close`, and named for what a test means."""
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise BrokerUnavailable("This consumer is closed.", remedy="Ask the broker for a new one.")
        self._broker.check_up()

    def _follow_group(self) -> None:
        """Join when outside; after a rebalance go back to the committed offsets of what this member now holds."""
        if not self._group.joined(self):
            self._group.join(self, self._broker.topics())
            self._broker.changed.notify_all()
        if self._generation != self._group.generation:
            self._generation = self._group.generation
            self._committed.forget()
            self._next = {p: self._group.committed.get(p, 0) for p in self._group.assigned(self)}

    def _take(self, max_records: int) -> list[Record]:
        """Read on from every position in turn, so that a busy partition does not starve the others."""
        records: list[Record] = []
        for position in list(self._next):
            found = self._broker.logs.read(position, self._next[position], max_records - len(records))
            if found:
                del self._next[position]  # to the end of the turn
                self._next[position] = found[-1].offset + 1
                records.extend(found)
            if len(records) == max_records:
                break
        return records
