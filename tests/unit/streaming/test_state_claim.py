"""Whose states a store holds, and how far the filling of an empty one has come."""

import pytest

from features.errors import ConfigurationError, StoreUnavailable
from features.events import first_seq
from features.store import HISTORY_OF
from features.stores.memory import MemoryStore
from streaming.bounded_store import BoundedStore
from streaming.ledger import Progress
from streaming.state_claim import StateClaim

MINE = "ledger-1"


class Sources:
    """A ledger that tells how far its sources have come."""

    def __init__(self):
        self.last = {}
        self.history = False

    def sources(self):
        return {source: Progress(seq, first_seq(source)) for source, seq in self.last.items()}

    def identity(self):
        return MINE

    def has_history(self):
        return self.history


class Contested(MemoryStore):
    """A store that ``is_mine`` to fill, or another's."""

    is_mine = True

    def refill(self):
        return self.is_mine


@pytest.fixture
def ledger():
    return Sources()


@pytest.fixture
def store():
    return Contested()


@pytest.fixture
def claim(ledger, store):
    bounded = BoundedStore(store, 1.0)
    yield StateClaim(ledger, bounded)
    bounded.close()


def two_at_a_time(after, until):
    return min(after + 2, until)


def test_what_comes_while_an_empty_store_is_filled_is_filled_in_as_well(claim, ledger, store):
    claim.find_out()  # nothing has been decided yet
    assert (claim.holds, claim.is_filling) == (False, True)
    ledger.last[1] = first_seq(1) + 3
    assert claim.fill(two_at_a_time) == []
    ledger.last[2] = first_seq(2) + 1
    assert [claim.fill(two_at_a_time) for _ in range(2)] == [[], []]
    assert store.owner() is None
    assert sorted(claim.fill(two_at_a_time)) == [first_seq(1) + 3, first_seq(2) + 1]
    assert (claim.holds, claim.is_filling, store.owner()) == (True, False, MINE)


def test_a_store_that_another_process_fills_is_left_to_it(claim, ledger, store):
    ledger.last[1] = first_seq(1) + 3
    claim.find_out()
    assert claim.fill(two_at_a_time) == []
    store.is_mine = False
    assert claim.fill(two_at_a_time) is None
    with pytest.raises(StoreUnavailable, match="another worker"):
        claim.find_out()
    store.claim(MINE)
    claim.find_out()
    assert (claim.holds, claim.is_filling) == (True, False)


def test_a_store_that_lost_its_states_is_filled_from_the_beginning(claim, ledger, store):
    ledger.last[1] = first_seq(1) + 2
    claim.find_out()
    while not claim.fill(two_at_a_time):
        pass
    claim.lose()
    assert not claim.holds
    store.claim(None)
    claim.find_out()
    folded = []
    while not claim.fill(lambda after, until: folded.append(after) or until):
        pass
    assert folded == [first_seq(1)]


def test_the_states_of_a_back_fill_are_gone_on_with_and_those_of_others_refused(claim, store):
    store.claim(HISTORY_OF + MINE)
    claim.find_out()
    assert claim.is_filling
    claim.lose()
    for other in ("ledger-2", HISTORY_OF + "ledger-2"):
        store.claim(other)
        with pytest.raises(ConfigurationError, match="another ledger"):
            claim.find_out()


def test_a_back_fill_that_is_lost_is_asked_for_again(claim, ledger):
    ledger.history = True
    with pytest.raises(StoreUnavailable, match="backfill"):
        claim.find_out()
