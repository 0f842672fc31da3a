"""Snapshots of rings in the state directory: found from a file or the ledger, kept, and noticed when changed."""

from datetime import timedelta

import pytest

from features.errors import DataError, StateError
from features.events import LabelEvent, TransactionEvent, first_seq, source_of
from features.table import transactions
from models.rings.communities.finding import find_rings
from models.rings.communities.snapshot import latest_snapshot, load_links, load_snapshot, moments
from services.ledger_history import table_of
from services.rings.finding import find_and_save, known_ring, known_rings
from services.state_directory import open_state
from streaming.ledger import Progress
from tests.unit.models.rings.payments import AT, START, history, paid, ring_payments
from tests.unit.services.rings.states import silent, with_rings


def test_a_snapshot_comes_back_as_it_was(tmp_path):
    state, snapshot = with_rings(tmp_path)
    assert latest_snapshot(state.rings) == load_snapshot(state.rings, AT) == known_rings(state) == snapshot
    assert known_ring(state, snapshot.rings[0].ring_id) == (snapshot, snapshot.rings[0])
    assert len(load_links(state.rings, snapshot)) > 0


def test_the_same_run_has_the_same_version_whenever_it_is_made(tmp_path):
    (_, one), (_, other) = with_rings(tmp_path / "1"), with_rings(tmp_path / "2")
    assert one.version == other.version
    assert one.made_at != other.made_at


def test_ids_come_from_the_last_run_before_and_never_from_a_later_one(tmp_path):
    state, first = with_rings(tmp_path)
    grown = history(*ring_payments("abcde"))
    second = find_and_save(state, grown, AT + timedelta(days=1), progress=silent)
    earlier = find_and_save(state, grown, AT - timedelta(days=1), progress=silent)
    assert second.rings[0].ring_id == first.rings[0].ring_id
    assert earlier.rings[0].ring_id != first.rings[0].ring_id
    assert moments(state.rings) == [AT - timedelta(days=1), AT, AT + timedelta(days=1)]


@pytest.mark.parametrize("suffix", [".json", ".links.parquet"])
@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: content.replace(b"a", b"b", 1)])
def test_a_changed_file_is_refused(tmp_path, suffix, damage):
    state, snapshot = with_rings(tmp_path)
    [path] = state.rings.glob(f"*Z{suffix}")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StateError) as caught:
        load_links(state.rings, load_snapshot(state.rings, snapshot.at))
    assert str(path) in caught.value.message
    assert caught.value.remedy


def test_what_cannot_be_answered_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="No rings were looked for") as caught:
        known_rings(open_state(tmp_path / "empty"))
    assert "rings find" in caught.value.remedy
    state, _ = with_rings(tmp_path / "state")
    with pytest.raises(DataError, match="No ring 'ring-x'"):
        known_ring(state, "ring-x")
    with pytest.raises(DataError, match="None of the 6 transactions"):
        find_and_save(state, history(*ring_payments()), START - timedelta(days=1), progress=silent)


class Events:
    """A ledger with events alone, given out by two sources."""

    def __init__(self, events):
        self.events = events

    def sources(self):
        last = {source_of(event.seq): event.seq for event in self.events}
        return {source: Progress(seq, 0) for source, seq in last.items()}

    def events_after(self, seq, limit):
        own = (event for event in self.events if source_of(event.seq) == source_of(seq))
        return [event for event in own if event.seq > seq][:7]


def ledger_of(table, labels):
    """A ledger of one worker that took in the transactions, and of another that took in (index, is_fraud, day)."""
    paid_by = list(transactions(table))
    events = [TransactionEvent(seq, transaction) for seq, transaction in enumerate(paid_by, first_seq(1) + 1)]
    for seq, (index, is_fraud, day) in enumerate(labels, first_seq(2) + 1):
        of = paid_by[index]
        when = START + timedelta(days=day)
        events.append(LabelEvent(seq, of.transaction_id, is_fraud, when, of.event_time, of.card_id, of.merchant_id))
    return Events(events)


def test_the_ledger_gives_the_rings_that_a_file_gives():
    table = history(*ring_payments())
    labels = [(index, True, (table["label_time"].iloc[index] - START).days) for index in range(len(table))]
    found = find_rings(table_of(ledger_of(table, labels), AT), AT)
    assert found == find_rings(table, AT)
    assert found


def test_the_last_label_known_by_then_wins():
    table = history(*(paid(card, 1, device_id="dev") for card in "abc"))
    labels = [(0, True, 5), (0, False, 9), (1, False, 9), (1, True, 5), (2, True, 3), (2, False, 31)]
    read = table_of(ledger_of(table, labels), AT)
    assert read["is_fraud"].tolist() == [0, 0, 1]


def test_an_empty_ledger_is_told():
    with pytest.raises(DataError, match="no transactions"):
        table_of(Events([]), AT)
