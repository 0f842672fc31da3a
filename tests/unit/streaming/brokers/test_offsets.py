"""What a member may commit."""

import pytest

from streaming.broker import Position
from streaming.brokers.offsets import CommittedOffsets

A, B = ("t", 0), ("t", 1)


class Broker:
    """Counts how often it is asked for what is committed."""

    def __init__(self) -> None:
        self.stored = {A: 5}
        self.asked: list[Position] = []

    def ask(self, position: Position) -> int:
        self.asked.append(position)
        return self.stored.get(position, 0)


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def committed(broker: Broker) -> CommittedOffsets:
    return CommittedOffsets(broker.ask)


def test_only_what_is_held_is_committed(committed: CommittedOffsets, broker: Broker) -> None:
    assert committed.committable({A: 5, B: 1}, {A}) == {A: 5}
    assert broker.asked == [A]


def test_what_others_have_gone_beyond_is_left_out(committed: CommittedOffsets) -> None:
    assert committed.committable({B: 1, A: 4}, {A, B}) == {B: 1}


def test_an_offset_behind_ones_own_is_refused_wherever_it_stands(committed: CommittedOffsets) -> None:
    committed.remember({A: 5})
    with pytest.raises(ValueError, match=r"offset 4 of t\[0\] is behind 5, which is committed"):
        committed.committable({B: 1, A: 4}, {A, B})


def test_what_others_hold_may_be_behind(committed: CommittedOffsets) -> None:
    assert committed.committable({A: 4, B: 0}, {B}) == {B: 0}


def test_the_broker_is_asked_once_until_partitions_change_hands(committed: CommittedOffsets, broker: Broker) -> None:
    assert [committed.of(A), committed.of(A)] == [5, 5]
    assert broker.asked == [A]
    broker.stored[A] = 9
    committed.forget()
    assert committed.of(A) == 9


def test_what_was_committed_is_the_next_floor(committed: CommittedOffsets, broker: Broker) -> None:
    committed.remember({A: 7})
    with pytest.raises(ValueError, match="behind 7"):
        committed.committable({A: 6}, {A})
    assert broker.asked == []
