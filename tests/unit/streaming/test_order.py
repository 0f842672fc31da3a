from datetime import UTC, datetime, timedelta

from features.events import LabelEvent, TransactionEvent, first_seq
from features.transaction import Transaction
from streaming.order import Order

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def payment(name, hours):
    return Transaction(
        transaction_id=name, event_time=NOON + hours * HOUR, card_id="c", merchant_id="m", amount=1.0, currency="EUR"
    )


def label(name, hours):
    return LabelEvent(0, name, True, NOON + hours * HOUR, NOON, "c", "m")


def described(events):
    return [
        (event.seq, "payment", event.transaction.transaction_id)
        if isinstance(event, TransactionEvent)
        else (event.seq, "label", event.transaction_id)
        for event in events
    ]


def test_labels_come_before_the_first_transaction_that_may_know_of_them():
    order = Order()
    order.add(label("b", 2))
    order.add(label("a", 1))
    assert described(order.place(payment("x", 0.5), 0)) == [(1, "payment", "x")]
    assert described(order.place(payment("y", 2), 0)) == [(2, "label", "a"), (3, "label", "b"), (4, "payment", "y")]
    assert described(order.place(payment("z", 3), 0)) == [(5, "payment", "z")]
    assert order.last == {0: 5}


def test_every_source_is_numbered_by_itself():
    order = Order()
    order.add(label("a", 1))
    begin = first_seq(7)
    assert described(order.place(payment("x", 0), 7)) == [(begin + 1, "payment", "x")]
    assert described(order.place(payment("y", 0), 0)) == [(1, "payment", "y")]
    assert described(order.place(payment("z", 1), 7)) == [(begin + 2, "label", "a"), (begin + 3, "payment", "z")]
    assert order.last == {0: 1, 7: begin + 3}


def test_labels_can_fall_due_without_a_transaction():
    order = Order([label("a", 1), label("b", 3)])
    assert described(order.due(NOON + 2 * HOUR, 5)) == [(first_seq(5) + 1, "label", "a")]


def test_an_order_is_taken_up_where_another_was_left():
    order = Order([label("a", 1)], {0: 41})
    assert described(order.place(payment("x", 1), 0)) == [(42, "label", "a"), (43, "payment", "x")]
