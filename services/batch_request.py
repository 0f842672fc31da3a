"""The request that scores several transactions: its form, and one refusal that lists everything wrong with it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from features.codec import decode_transaction
from features.errors import InvalidInput, InvalidTransaction
from features.transaction import Transaction
from services.bodies import decode
from services.problems import BadItem, HttpProblem, from_domain

MAX_BATCH = 256
MAX_BATCH_BYTES = 512 * 1024


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Transactions to decide together, in the order in which they happened."""

    transactions: Annotated[list[Transaction], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]


class _RawBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    transactions: list[msgspec.Raw]


_decoder = msgspec.json.Decoder(_RawBatch)


def decode_batch(raw: bytes, *, now: datetime | None) -> list[Transaction]:
    """Decode and validate a batch; ``now`` as in `features.codec.decode_transaction`.

    Raises `InvalidInput` for the request as a whole and `HttpProblem` 422 listing the transactions that are wrong.
    """
    items = decode(_decoder, raw).transactions
    if not items:
        raise empty_batch()
    if len(items) > MAX_BATCH:
        raise InvalidInput(
            "batch_too_long",
            f"transactions has {len(items):,} items; the limit is {MAX_BATCH}.",
            field="transactions",
            remedy="Send several requests.",
        )
    transactions: list[Transaction] = []
    bad: list[BadItem] = []
    for index, item in enumerate(items):
        try:
            transactions.append(decode_transaction(bytes(item), now=now))
        except InvalidTransaction as refusal:
            bad.append(bad_item(index, refusal))
    if bad:
        raise bad_batch(bad, len(items))
    return transactions


def empty_batch() -> InvalidInput:
    """Return the refusal of a batch without transactions."""
    return InvalidInput(
        "empty_batch", "transactions is empty.", field="transactions", remedy=f"Send 1 to {MAX_BATCH} transactions."
    )


def bad_item(index: int, refusal: InvalidTransaction) -> BadItem:
    """Return what is wrong with the transaction at ``index`` (from 0)."""
    problem = from_domain(refusal)
    field = f"transactions[{index}].{problem.field}".rstrip(".")
    return BadItem(index=index, code=problem.code, detail=problem.detail, field=field, remedy=problem.remedy)


def bad_batch(bad: Sequence[BadItem], total: int) -> HttpProblem:
    """Return the refusal of a batch of ``total`` transactions of which ``bad`` are wrong."""
    return HttpProblem(
        422,
        "invalid_batch",
        f"{len(bad)} of {total} transactions cannot be scored; none was decided.",
        field=bad[0].field,
        remedy="Mend or leave out the ones listed in errors.",
        bad_items=tuple(bad),
    )
