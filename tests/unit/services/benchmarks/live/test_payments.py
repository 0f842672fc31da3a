"""Payments come again under new ids, later, and otherwise as they were."""

import msgspec
import pytest

from features.codec import decode_transaction
from features.table import transactions
from services.benchmarks.live.payments import Payments, read_payments, write_payments
from streaming.simulator import Scenario, simulate


@pytest.fixture(scope="module")
def originals():
    return list(transactions(simulate(Scenario(transactions=200)).transactions))


def test_only_id_and_time_change_from_round_to_round(originals):
    payments = Payments(originals, "run-")
    sent = [payments[number] for number in range(2 * len(originals))]
    decoded = [decode_transaction(value) for _, value in sent]
    assert [payment.transaction_id for payment in decoded] == [f"run-{number}" for number in range(len(sent))]
    for number, payment in enumerate(decoded):
        original = originals[number % len(originals)]
        same = msgspec.structs.replace(payment, transaction_id=original.transaction_id, event_time=original.event_time)
        assert same == original
        assert sent[number][0] == original.card_id.encode()
    times = [payment.event_time for payment in decoded]
    assert times == sorted(times)
    assert times[: len(originals)] == [payment.event_time for payment in originals]
    assert times[len(originals)] > times[len(originals) - 1]


def test_ids_of_other_runs_have_no_number(originals):
    payments = Payments(originals, "run-")
    assert payments.number("run-17") == 17
    assert [payments.number(key) for key in ("run-", "run-x", "other-17", "17")] == [None] * 4


def test_payments_are_read_as_they_were_written(originals, tmp_path):
    path = tmp_path / "payments.jsonl"
    write_payments(originals, path, lambda _: None)
    assert read_payments(path, "a-")[7] == Payments(originals, "a-")[7]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
