"""The payment that the API's documentation shows, before and after."""

from datetime import UTC, datetime

from features.flags import MISSING_FIELDS
from features.transaction import Transaction
from models.decision import Decision

TRANSACTION = Transaction(
    transaction_id="pay-20260131-000042",
    event_time=datetime(2026, 1, 31, 12, 0, 0, 250000, tzinfo=UTC),
    card_id="card-7f3a91",
    merchant_id="merchant-1180",
    mcc="5732",
    amount=499.0,
    currency="EUR",
    device_id="device-5c20",
    ip="203.0.113.7",
    country="FR",
    latitude=48.8566,
    longitude=2.3522,
    channel="ecommerce",
    entry_mode="stored",
)
ORDINARY = Transaction(
    transaction_id="pay-20260131-000043",
    event_time=datetime(2026, 1, 31, 12, 0, 3, tzinfo=UTC),
    card_id="card-18d0c2",
    merchant_id="merchant-0007",
    mcc="5411",
    amount=23.8,
    currency="EUR",
)
DECISION = Decision(
    transaction_id=TRANSACTION.transaction_id,
    decision="review",
    score=0.3775406687981454,  # log-odds of -0.5, as the example of an explanation says
    reason_codes=("AMOUNT_JUST_UNDER", "AMOUNT"),
    model_version="lightgbm-3f2a9c1b04de",
    policy_version="3-91b2c4d7",
    features={"amount": 499.0, "amount_just_under": 1.0, "is_night": 0.0},
    stage_ms={"intake": 0.2, "store_read": 0.9, "fold": 0.1, "model": 0.3, "policy": 4.6},
    flags=("missing:customer_id",),
    anomaly=0.9871,
    event_time=TRANSACTION.event_time,
    decided_at=datetime(2026, 1, 31, 12, 0, 0, 291000, tzinfo=UTC),
)
ORDINARY_DECISION = Decision(
    transaction_id=ORDINARY.transaction_id,
    decision="approve",
    score=0.0009110512,
    reason_codes=(),
    model_version=DECISION.model_version,
    policy_version=DECISION.policy_version,
    features={"amount": 23.8, "amount_just_under": 0.0, "is_night": 0.0},
    stage_ms=DECISION.stage_ms,
    flags=("cold:card", *sorted(f"missing:{field}" for field in MISSING_FIELDS if field != "mcc")),
    anomaly=0.213,
    event_time=ORDINARY.event_time,
    decided_at=datetime(2026, 1, 31, 12, 0, 3, 31000, tzinfo=UTC),
)
