"""Decisions, labels and events for the ledger's tests."""

from datetime import UTC, datetime, timedelta

from features.codec import content_hash
from features.events import LabelEvent, first_seq
from features.label import Label, LabelSource
from features.transaction import Transaction
from models.decision import Decision, Ring
from streaming.ledger import Ledger, LedgerBatch, Origin, Recorded

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
NAMES = ("amount", "card_count_1h", "seconds_since_last")


def payment(number: int) -> Transaction:
    return Transaction(
        transaction_id=f"tx-{number}",
        event_time=START + timedelta(seconds=number),
        card_id=f"card-{number % 3}",
        merchant_id=f"merchant-{number % 2}",
        amount=10.1 + number,
        currency="EUR",
        device_id="device-1" if number % 2 else None,
        latitude=48.8566,
        longitude=-0.0,
    )


def decided(
    number: int,
    seq: int | None = None,
    origin: Origin = "stream",
    features: dict[str, float | None] | None = None,
) -> Recorded:
    transaction = payment(number)
    decision = Decision(
        transaction_id=transaction.transaction_id,
        decision="decline" if number % 5 == 0 else "approve",
        score=0.1 + number / 1e7,
        reason_codes=("amount_high",),
        ring=Ring(ring_id="ring-1", ring_score=1 / 3, evidence="device shared") if number % 7 == 0 else None,
        model_version="model-1",
        policy_version="policy-1",
        features=dict(zip(NAMES, (0.5, 3.0, None), strict=True)) if features is None else features,
        stage_ms={"fold": 0.1, "model": 1 / 3},
        degraded=("store",) if number % 11 == 0 else (),
        event_time=transaction.event_time,
        decided_at=START + timedelta(seconds=number, milliseconds=7),
    )
    return Recorded(transaction, content_hash(transaction), decision, origin, seq)


def label(number: int, *, days: float = 30, is_fraud: bool = True, source: LabelSource = "chargeback") -> Label:
    return Label(
        transaction_id=f"tx-{number}", is_fraud=is_fraud, source=source, label_time=START + timedelta(days=days)
    )


def last_seq(ledger: Ledger, source: int = 0) -> int:
    progress = ledger.sources().get(source)
    return progress.last_seq if progress else first_seq(source)


def checkpoint(ledger: Ledger, source: int = 0) -> int:
    progress = ledger.sources().get(source)
    return progress.checkpoint if progress else first_seq(source)


def folded(number: int, seq: int, *, days: float = 30, is_fraud: bool = True) -> LabelEvent:
    """The event of a label on ``payment(number)``."""
    transaction = payment(number)
    return LabelEvent(
        seq=seq,
        transaction_id=transaction.transaction_id,
        is_fraud=is_fraud,
        label_time=START + timedelta(days=days),
        event_time=transaction.event_time,
        card_id=transaction.card_id,
        merchant_id=transaction.merchant_id,
        device_id=transaction.device_id,
        ip=transaction.ip,
    )


def batch(*decisions: Recorded) -> LedgerBatch:
    return LedgerBatch(decisions=decisions)
