from datetime import UTC, datetime, timedelta

from features.events import LabelEvent
from streaming.label_queue import LabelQueue

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def label(name, known, event=NOON, *, is_fraud=True):
    return LabelEvent(0, name, is_fraud, known, event, "card", "merchant")


def ids(labels):
    return [one.transaction_id for one in labels]


def test_labels_are_due_once_event_time_has_reached_them_oldest_first():
    queue = LabelQueue([label("late", NOON + 3 * HOUR), label("soon", NOON + HOUR)])
    assert ids(queue.due(NOON)) == []
    assert ids(queue.due(NOON + HOUR)) == ["soon"]
    assert ids(queue.due(NOON + 9 * HOUR)) == ["late"]
    assert not len(queue)


def test_labels_of_one_moment_go_by_transaction_id():
    queue = LabelQueue([label("b", NOON + HOUR), label("a", NOON + HOUR), label("c", NOON + HOUR)])
    assert ids(queue.due(NOON + HOUR)) == ["a", "b", "c"]


def test_a_label_never_comes_before_its_own_transaction():
    queue = LabelQueue([label("known at once", NOON), label("known before", NOON - HOUR)])
    assert ids(queue.due(NOON)) == []
    assert ids(queue.due(NOON + timedelta(microseconds=1))) == ["known at once", "known before"]


def test_two_verdicts_of_one_moment_end_with_the_fraud():
    both = [label("t", NOON + HOUR), label("t", NOON + HOUR, is_fraud=False)]
    for order in (both, both[::-1]):
        assert [one.is_fraud for one in LabelQueue(order).due(NOON + HOUR)] == [False, True]


def test_the_same_verdict_may_wait_twice():
    assert len(LabelQueue([label("t", NOON + HOUR)] * 2).due(NOON + HOUR)) == 2
