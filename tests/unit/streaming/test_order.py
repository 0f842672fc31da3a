from datetime import UTC, datetime, timedelta

from features.events import LabelEvent, TransactionEvent
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
    assert described(order.place(payment("x", 0.5))) == [(1, "payment", "x")]
    assert described(order.place(payment("y", 2))) == [(2, "label", "a"), (3, "label", "b"), (4, "payment", "y")]
    assert described(order.place(payment("z", 3))) == [(5, "payment", "z")]
    assert order.seq == 5


def test_an_order_is_taken_up_where_another_was_left():
    order = Order([label("a", 1)], 41)
    assert order.seq == 41
    assert described(order.place(payment("x", 1))) == [(42, "label", "a"), (43, "payment", "x")]
