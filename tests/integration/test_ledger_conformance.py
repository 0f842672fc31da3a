"""What every ledger promises, run over each implementation: in memory, SQLite and PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import msgspec
import psycopg
import pytest

from features.errors import DuplicateConflict, Superseded
from features.events import TransactionEvent, first_seq
from streaming.ledger import Ledger, LedgerBatch, Progress, TransactionRef
from streaming.ledgers.memory import MemoryLedger
from streaming.ledgers.rows import ref_of
from streaming.ledgers.sql import open_ledger
from tests.integration.ledger_samples import START, batch, checkpoint, decided, folded, label, last_seq, payment
from tests.integration.postgres_server import PostgresServer, running_postgres

Open = Callable[[], Ledger]  # opens the same ledger again, as after a restart


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    opened: list[Ledger] = []
    if request.param == "memory":
        memory = MemoryLedger()
        yield lambda: memory
        return
    url = f"sqlite:///{tmp_path}/ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database("conformance")

    def reopen() -> Ledger:
        opened.append(open_ledger(url))
        return opened[-1]

    yield reopen
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(reopen: Open) -> Ledger:
    return reopen()


def test_an_empty_ledger(ledger: Ledger) -> None:
    assert (last_seq(ledger), checkpoint(ledger), ledger.count()) == (0, 0, 0)
    assert ledger.find(["tx-1"]) == ledger.refs(["tx-1"]) == ledger.labels(["tx-1"]) == {}
    assert ledger.find([]) == {}
    assert ledger.events_after(0, 10) == ledger.pending_labels([0]) == ledger.unforwarded(10) == ledger.recent(10) == []
    ledger.commit(LedgerBatch())
    ledger.import_history([])
    ledger.mark_forwarded([])
    assert ledger.count() == 0


def test_a_decision_comes_back_exactly_as_given_after_a_restart(reopen: Open) -> None:
    features = {"third": 1 / 3, "float32": 0.10000000149011612, "none": None, "huge": 1e300, "minus_zero": -0.0}
    given = [decided(0, 1), decided(7, 2, features=features), decided(11, None, "rest", features={})]
    before = reopen()
    before.commit(batch(*given))
    before.close()
    after = reopen()
    found = after.find(["tx-0", "tx-7", "tx-11", "tx-99"])
    assert found == {recorded.transaction.transaction_id: recorded for recorded in given}
    for recorded in given:
        back = found[recorded.transaction.transaction_id]
        # Equality alone would not see an order, a sign or a type that changed.
        assert msgspec.json.encode(back.decision) == msgspec.json.encode(recorded.decision)
        assert repr(back.decision.features) == repr(recorded.decision.features)
        assert repr(back.transaction) == repr(recorded.transaction)
    assert (last_seq(after), after.count()) == (2, 3)


def test_feature_names_may_change_from_one_decision_to_the_next(ledger: Ledger) -> None:
    first, second = decided(1, 1, features={"a": 1.0, "b": 2.0}), decided(2, 2, features={"b": 3.0, "a": None})
    ledger.commit(batch(first, second))
    found = ledger.find(["tx-1", "tx-2"])
    assert list(found["tx-1"].decision.features.items()) == [("a", 1.0), ("b", 2.0)]
    assert list(found["tx-2"].decision.features.items()) == [("b", 3.0), ("a", None)]


def test_a_recorded_transaction_is_refused_and_nothing_of_the_batch_stays(ledger: Ledger) -> None:
    ledger.commit(batch(decided(1, 1)))
    doubtful = LedgerBatch(decisions=[decided(2, 2), decided(1, 3)], labels=[label(1)], folded_labels=[folded(1, 4)])
    with pytest.raises(DuplicateConflict, match="tx-1"):
        ledger.commit(doubtful)
    assert (ledger.count(), last_seq(ledger), ledger.find(["tx-2"]), ledger.labels(["tx-1"])) == (1, 1, {}, {})
    with pytest.raises(DuplicateConflict, match="tx-1"):
        ledger.commit(batch(decided(1, 1)))  # the very same again, as after a lost answer
    ledger.commit(batch(decided(2, 2)))
    assert last_seq(ledger) == 2


def test_a_transaction_twice_in_a_batch_is_refused(ledger: Ledger) -> None:
    with pytest.raises(DuplicateConflict, match="tx-5"):
        ledger.commit(batch(decided(4, 1), decided(5, 2), decided(5, 3)))
    assert ledger.count() == last_seq(ledger) == 0


@pytest.mark.parametrize(
    ("doubtful", "error"),
    [
        (LedgerBatch(decisions=[decided(2, 5)], placed=[("tx-9", 6)]), Superseded),  # unknown
        (LedgerBatch(decisions=[decided(2, 5)], placed=[("tx-1", 6)]), Superseded),  # has a seq
        (LedgerBatch(decisions=[decided(2, 5)], folded_labels=[folded(1, 6)]), Superseded),  # no such label
        (LedgerBatch(decisions=[decided(2, 5)], labels=[label(1)], folded_labels=[folded(1, 5)]), ValueError),
        (LedgerBatch(decisions=[decided(2, 5)], labels=[label(1)], folded_labels=[folded(1, 4)]), Superseded),
        (LedgerBatch(decisions=[decided(2, 4), decided(3, 5)], labels=[label(1)]), Superseded),  # seq 4 is taken
        (LedgerBatch(decisions=[decided(2, 3), decided(3, 5)], labels=[label(1)]), Superseded),  # seq goes back
    ],
)
def test_a_seq_that_cannot_be_leaves_nothing_behind(
    ledger: Ledger, doubtful: LedgerBatch, error: type[Exception]
) -> None:
    ledger.commit(batch(decided(1, 4)))
    with pytest.raises(error):
        ledger.commit(doubtful)
    assert (ledger.count(), last_seq(ledger), ledger.labels(["tx-1"])) == (1, 4, {})
    assert [event.seq for event in ledger.events_after(0, 10)] == [4]


def test_the_checkpoint_only_moves_forward(reopen: Open) -> None:
    ledger = reopen()
    ledger.commit(batch(decided(1, 9)))
    for given, kept in ((5, 5), (3, 5), (5, 5), (9, 9)):
        ledger.save_checkpoints([given])
        assert checkpoint(ledger) == kept
    assert checkpoint(reopen()) == 9


def test_a_decision_over_rest_is_placed_later(reopen: Open) -> None:
    ledger = reopen()
    ledger.commit(batch(decided(1, None, "rest"), decided(2, None, "rest")))
    assert ledger.events_after(0, 10) == []
    ledger.commit(LedgerBatch(decisions=[decided(3, 1)], placed=[("tx-2", 2)]))
    assert reopen().find(["tx-1", "tx-2"]) == {"tx-1": decided(1, None, "rest"), "tx-2": decided(2, 2, "rest")}
    assert ledger.events_after(0, 10) == [TransactionEvent(1, payment(3)), TransactionEvent(2, payment(2))]
    assert last_seq(ledger) == 2


def test_events_come_in_the_order_of_seq_whatever_they_are(ledger: Ledger) -> None:
    ledger.import_history([TransactionRef("old-1", 1_700_000_000_000_001, "card-h", "merchant-h", None, "10.0.0.1")])
    old = msgspec.structs.replace(label(0), transaction_id="old-1")
    old_event = replace(
        folded(0, 5),
        transaction_id="old-1",
        event_time=START.fromtimestamp(1_700_000_000, tz=START.tzinfo) + timedelta(microseconds=1),
        card_id="card-h",
        merchant_id="merchant-h",
        ip="10.0.0.1",
    )
    ledger.commit(batch(decided(1, 1), decided(2, 2)))
    ledger.commit(
        LedgerBatch(decisions=[decided(3, 4)], labels=[label(1), old], folded_labels=[folded(1, 3), old_event])
    )
    ledger.commit(LedgerBatch(decisions=[decided(5, 7)], labels=[label(2)], folded_labels=[folded(2, 6)]))
    everything = [
        TransactionEvent(1, payment(1)),
        TransactionEvent(2, payment(2)),
        folded(1, 3),
        TransactionEvent(4, payment(3)),
        old_event,
        folded(2, 6),
        TransactionEvent(7, payment(5)),
    ]
    assert ledger.events_after(0, 100) == everything
    assert ledger.events_after(2, 3) == everything[2:5]
    assert ledger.events_after(7, 10) == []


def test_labels_wait_until_they_are_folded(ledger: Ledger) -> None:
    ledger.commit(batch(decided(1, 1), decided(2, 2)))
    ledger.commit(LedgerBatch(labels=[label(2, days=9), label(1, days=5), label(77)]))
    # The label of a transaction that nobody knows waits, but has no entities to fold into yet.
    assert ledger.pending_labels([0]) == [folded(1, 0, days=5), folded(2, 0, days=9)]
    ledger.commit(LedgerBatch(folded_labels=[folded(1, 3, days=5)]))
    assert ledger.pending_labels([0]) == [folded(2, 0, days=9)]
    ledger.commit(batch(decided(77, 4)))
    assert ledger.pending_labels([0]) == [folded(2, 0, days=9), folded(77, 0)]


def test_labels_by_two_sources_at_the_same_time_are_folded_one_by_one(ledger: Ledger) -> None:
    ledger.commit(batch(decided(1, 1)))
    ledger.commit(LedgerBatch(labels=[label(1, source="analyst"), label(1, source="chargeback")]))
    assert ledger.pending_labels([0]) == [folded(1, 0), folded(1, 0)]
    ledger.commit(LedgerBatch(folded_labels=[folded(1, 2)]))
    assert ledger.pending_labels([0]) == [folded(1, 0)]
    ledger.commit(LedgerBatch(folded_labels=[folded(1, 3)]))
    assert ledger.pending_labels([0]) == []
    assert [event.seq for event in ledger.events_after(0, 10)] == [1, 2, 3]


def test_a_label_received_again_is_ignored_and_the_last_one_wins(reopen: Open) -> None:
    ledger = reopen()
    late, early = label(1, days=30), label(1, days=10, is_fraud=False, source="analyst")
    tie = label(1, days=30, is_fraud=False, source="customer")
    ledger.commit(LedgerBatch(labels=[late, early]))
    elsewhere = msgspec.structs.replace(late, label_time=late.label_time.astimezone(timezone(timedelta(hours=5))))
    contrary = msgspec.structs.replace(late, is_fraud=False)  # same source and time: not a new label
    ledger.commit(LedgerBatch(labels=[late, late, elsewhere, contrary, tie]))
    history = reopen().labels(["tx-1", "tx-2"])
    assert {key: found.labels for key, found in history.items()} == {"tx-1": (early, late, tie)}


def test_refs_come_from_decisions_and_from_history(ledger: Ledger) -> None:
    imported = TransactionRef("old-1", 1_700_000_000_000_001, "card-h", "merchant-h", "device-h", None)
    ledger.import_history([imported, TransactionRef("old-2", 2, "c", "m")])
    ledger.import_history([TransactionRef("old-1", 5, "other", "other")])  # told again: the first stays
    ledger.commit(batch(decided(1, 1)))
    event_time_us = 1_772_366_401_123_456
    assert ledger.refs(["old-1", "tx-1", "tx-9"]) == {
        "old-1": imported,
        "tx-1": TransactionRef("tx-1", event_time_us, "card-1", "merchant-1", "device-1", None),
    }
    assert ledger.count() == 1


def test_decisions_over_rest_are_forwarded_once(reopen: Open) -> None:
    ledger = reopen()
    ledger.commit(batch(*(decided(n, None, "rest") for n in (3, 1, 2)), decided(4, 1, "stream")))
    assert [each.transaction_id for each in ledger.unforwarded(2)] == ["tx-3", "tx-1"]
    ledger.mark_forwarded(["tx-3", "tx-2"])
    ledger.mark_forwarded(["tx-3"])
    assert reopen().unforwarded(10) == [payment(1)]


def test_recent_decisions_can_be_paged(ledger: Ledger) -> None:
    ledger.commit(batch(*(decided(n, n) for n in range(1, 6))))

    def page(limit: int, before: str | None = None) -> list[str]:
        return [recorded.transaction.transaction_id for recorded in ledger.recent(limit, before)]

    assert page(2) == ["tx-5", "tx-4"]
    assert page(2, "tx-4") == ["tx-3", "tx-2"]
    assert page(9, "tx-2") == ["tx-1"]
    assert page(9, "tx-1") == page(9, "unknown") == []


def test_many_ids_at_once(ledger: Ledger) -> None:
    ledger.commit(batch(*(decided(n, n) for n in range(1, 4))))
    ids = [f"tx-{n}" for n in range(12_000)]
    assert sorted(ledger.find(ids)) == sorted(ledger.refs(ids)) == ["tx-1", "tx-2", "tx-3"]


def test_threads_share_a_ledger_and_one_decision_each_wins(ledger: Ledger) -> None:
    conflicts: list[int] = []

    def record(origin_seq: int) -> None:
        for number in range(20):
            try:
                ledger.commit(batch(decided(number, None, "rest")))
            except DuplicateConflict:
                conflicts.append(origin_seq)

    threads = [threading.Thread(target=record, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (ledger.count(), len(conflicts)) == (20, 40)


def test_every_source_has_its_own_order_and_checkpoint(reopen: Open) -> None:
    ledger, first, second = reopen(), first_seq(1), first_seq(2)
    ledger.commit(batch(decided(1, first + 1), decided(2, second + 1), decided(3, first + 2)))
    ledger.commit(batch(decided(4, second + 2)))
    ledger.save_checkpoints([first + 2, second + 1])
    again = reopen()
    assert again.sources() == {1: Progress(first + 2, first + 2), 2: Progress(second + 2, second + 1)}
    assert [event.seq for event in again.events_after(first, 10)] == [first + 1, first + 2]
    assert [event.seq for event in again.events_after(second + 1, 10)] == [second + 2]
    assert again.events_after(0, 10) == []


def test_a_worker_that_another_has_overtaken_is_refused(ledger: Ledger) -> None:
    begin = first_seq(3)
    ledger.commit(LedgerBatch(decisions=[decided(1, begin + 1), decided(2, None, "rest")], labels=[label(1)]))
    ledger.commit(LedgerBatch(placed=[("tx-2", begin + 2)], folded_labels=[folded(1, begin + 3)]))
    for late in (
        LedgerBatch(decisions=[decided(5, begin + 2)]),
        LedgerBatch(decisions=[decided(5, begin + 4)], placed=[("tx-2", begin + 5)]),
        LedgerBatch(decisions=[decided(5, begin + 4)], folded_labels=[folded(1, begin + 5)]),
        LedgerBatch(decisions=[decided(5, first_seq(4) + 1), decided(6, begin + 3)]),
    ):
        with pytest.raises(Superseded):
            ledger.commit(late)
    assert ledger.count() == 2
    assert ledger.sources() == {3: Progress(begin + 3, begin)}


def test_labels_wait_for_the_worker_of_their_partition(ledger: Ledger) -> None:
    ledger.commit(LedgerBatch(decisions=[decided(1, 1), decided(2, 2), decided(3, 3)]))
    ledger.commit(LedgerBatch(labels=[label(1), label(2), label(3)], label_partitions=[0, 4, 5]))
    assert ledger.pending_labels([0]) == [folded(1, 0)]
    assert ledger.pending_labels({4, 5}) == [folded(2, 0), folded(3, 0)]
    assert ledger.pending_labels([]) == []


def test_a_ledger_has_one_identity_for_good(reopen: Open) -> None:
    assert reopen().identity() == reopen().identity() != MemoryLedger().identity()


def test_a_ledger_knows_whether_a_history_was_imported(ledger: Ledger) -> None:
    assert not ledger.has_history()
    ledger.import_history([ref_of(payment(1))])
    assert ledger.has_history()


@pytest.mark.integration
def test_postgresql_is_never_sent_a_series_of_statements(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no time-out for the rest of a series, and would keep what the first ones locked from everybody."""
    ledger = open_ledger(postgres.new_database("series"))
    monkeypatch.setattr(psycopg.Cursor, "executemany", lambda *_: pytest.fail("a series of statements"))
    decisions = [decided(1, 1), decided(2, 2), decided(3, first_seq(1) + 1)]
    ledger.commit(LedgerBatch(decisions=decisions, labels=[label(1), label(2)]))
    ledger.import_history([ref_of(payment(8)), ref_of(payment(9))])
    ledger.save_checkpoints([2, first_seq(1) + 1])
    ledger.mark_forwarded(["tx-1", "tx-2"])
    assert (ledger.count(), last_seq(ledger, 1), checkpoint(ledger)) == (3, first_seq(1) + 1, 2)
    assert set(ledger.labels(["tx-1", "tx-2"])) == {"tx-1", "tx-2"}
    ledger.close()
