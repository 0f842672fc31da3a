"""Several writers of one state: whoever comes second folds again on what the first wrote."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from features.engine import FeatureEngine
from features.errors import StoreUnavailable
from features.events import TransactionEvent, first_seq
from features.stores.memory import MemoryStore
from features.transaction import Transaction
from streaming import replacing
from streaming.replacing import replace_states

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
ENGINE = FeatureEngine()


def payment(n, card, minutes):
    return Transaction(
        transaction_id=f"t{n}",
        event_time=START + timedelta(minutes=minutes),
        card_id=card,
        merchant_id=f"shop{n % 3}",
        amount=float(n % 7 + 1),
        currency="EUR",
        ip="10.0.0.1",
    )


def events(source, count):
    return [
        TransactionEvent(first_seq(source) + n + 1, payment(100 * source + n, f"card{source}", n + source / 10))
        for n in range(count)
    ]


def folded(store, batch):
    read = store.read(ENGINE.keys(batch))
    return ENGINE.fold(batch, read).states, read


def probe(store):
    """Features of payments that read every shared state."""
    at = [TransactionEvent(0, payment(n, "new card", 500)) for n in range(3)]
    return ENGINE.fold(at, store.read(ENGINE.keys(at))).features


def test_two_writers_that_read_the_same_states_lose_nothing():
    store, alone = MemoryStore(), MemoryStore()
    first, second = events(1, 20), events(2, 30)
    (states1, read1), (states2, read2) = folded(store, first), folded(store, second)
    assert replace_states(ENGINE, store.replace, states1, read1, first) == 0
    # Three shops and the ip; the card is its own.
    assert replace_states(ENGINE, store.replace, states2, read2, second) == 4
    replace_states(ENGINE, alone.replace, *folded(alone, sorted(first + second, key=by_time)), first + second)
    assert probe(store).tobytes() == probe(alone).tobytes()


def by_time(event):
    return event.transaction.event_time


def test_many_writers_in_any_order_with_repeats_count_each_event_once():
    whole = [event for source in range(1, 5) for event in events(source, 12)]
    alone = MemoryStore()
    replace_states(ENGINE, alone.replace, *folded(alone, sorted(whole, key=by_time)), whole)
    for seed in range(20):
        chosen, store, begun = random.Random(seed), MemoryStore(), []
        waiting = {source: events(source, 12) for source in range(1, 5)}
        while any(waiting.values()) or begun:
            if begun and chosen.random() < 0.5:
                batch, states, read = begun.pop(chosen.randrange(len(begun)))
                replace_states(ENGINE, store.replace, states, read, batch)
                if chosen.random() < 0.3:  # a zombie, or a worker that takes over: the same events again
                    replace_states(ENGINE, store.replace, states, read, batch)
            else:
                # A source's micro-batches follow each other; those of different sources overlap.
                free = [s for s, left in waiting.items() if left and not any(b[0][0].seq >> 44 == s for b in begun)]
                if free:
                    source = chosen.choice(free)
                    size = chosen.randrange(1, 6)
                    batch, waiting[source] = waiting[source][:size], waiting[source][size:]
                    begun.append((batch, *folded(store, batch)))
        assert probe(store).tobytes() == probe(alone).tobytes()


def test_a_state_that_others_never_leave_alone_is_given_up(monkeypatch):
    monkeypatch.setattr(replacing, "ROUNDS", 3)

    class Contended(MemoryStore):
        def replace(self, states, read, as_of):
            return {"merchant": {"shop1": b"RF"}}

    batch = events(1, 1)
    with pytest.raises(StoreUnavailable, match="changed by others 3 times"):
        replace_states(ENGINE, Contended().replace, *folded(MemoryStore(), batch), batch)
