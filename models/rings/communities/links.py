"""The past as links: which card was used through which device and address, and sent money to which account.

Only what happened, and what was known, before a moment counts. A link is a pair of a card and an entity with all of
their payments; parallel payments are one link. A transfer of a card to itself or to its own customer links nothing. A
receiver that is itself a card or a customer of the past brings its own cards in.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.epoch import epoch_us

Kind = Literal["device", "ip", "counterparty"]
KINDS: tuple[Kind, ...] = get_args(Kind)
COLUMNS: dict[Kind, str] = {"device": "device_id", "ip": "ip", "counterparty": "counterparty_id"}
UNKNOWN, HONEST, FRAUD = 0, 1, 2  # what was known of a payment
_NEVER = np.iinfo(np.int64).max
Ints = NDArray[np.int64]
Names = NDArray[np.object_]


@dataclass(frozen=True)
class Past:
    """Payments and links of the time before a moment, as arrays.

    Cards and entities are numbered in the order of their ids, so that nothing depends on the order of rows. A holder
    is a customer where there is one, else a card: the cards of one person are nobody's ring.
    """

    at: datetime
    cards: Names  # (cards,) ids
    holders: Ints  # (cards,) number of the holder
    entities: Names  # (entities,) ids
    kinds: Ints  # (entities,) index into `KINDS`
    payments: pd.DataFrame  # time_us, card, verdict, amount, currency, transaction_id, then a column of entities a kind
    links: pd.DataFrame  # card, entity, payments, frauds, honest, first_us, last_us; -1: no payment of this card's


def past_of(table: pd.DataFrame, at: datetime, days: float) -> Past:
    """Return the past of a canonical table as it was known at ``at`` (UTC): its last ``days``, ``at`` not included."""
    times = _microseconds(table["event_time"])
    now = epoch_us(at)
    keep = (times < now) & (times >= now - timedelta(days=days) // timedelta(microseconds=1))
    rows = table[keep]
    card, cards = _numbered(rows["card_id"])
    payments = pd.DataFrame(
        {
            "time_us": times[keep],
            "card": card,
            "verdict": _verdicts(rows, now),
            "amount": rows["amount"].to_numpy(np.float64),
            "currency": rows["currency"].to_numpy(object),
            "transaction_id": rows["transaction_id"].to_numpy(object),
        }
    )
    ids: list[Names] = []
    for kind in KINDS:
        column = rows[COLUMNS[kind]]
        if kind == "counterparty":
            column = column.astype(object).where(~_to_oneself(rows), None)
        number, names = _numbered(column)
        payments[kind] = np.where(number >= 0, number + sum(map(len, ids)), -1)
        ids.append(names)
    kinds = np.repeat(np.arange(len(KINDS)), [len(names) for names in ids])
    entities = np.concatenate(ids) if ids else np.empty(0, object)
    owners = _owners(rows, card, entities, kinds)
    return Past(at, cards, _holders(rows, card, len(cards)), entities, kinds, payments, _links(payments, owners))


def _microseconds(column: "pd.Series[Any]") -> Ints:
    return np.asarray(pd.DatetimeIndex(column).as_unit("us").asi8, dtype=np.int64)


def _numbered(column: "pd.Series[Any]") -> tuple[Ints, Names]:
    """Return each value's number in the order of the ids, -1 for none, and the ids."""
    numbers, names = pd.factorize(column.astype(object), sort=True)
    return numbers.astype(np.int64), np.asarray(names, dtype=object)


def _verdicts(rows: pd.DataFrame, now: int) -> NDArray[np.int8]:
    labelled = (rows["is_fraud"].notna() & rows["label_time"].notna()).to_numpy()
    known = labelled & (_microseconds(rows["label_time"]) < now)
    fraud = rows["is_fraud"].to_numpy(dtype=np.int8, na_value=0) == 1
    return np.where(known, np.where(fraud, FRAUD, HONEST), UNKNOWN).astype(np.int8)


def _to_oneself(rows: pd.DataFrame) -> NDArray[np.bool_]:
    receiver = rows["counterparty_id"].astype(object)
    return np.asarray((receiver == rows["card_id"].astype(object)) | (receiver == rows["customer_id"].astype(object)))


def _holders(rows: pd.DataFrame, card: Ints, cards: int) -> Ints:
    """Return each card's holder: the customer of its last payment that names one, else the card itself."""
    customer, _ = _numbered(rows["customer_id"])
    holders = np.arange(cards) + len(rows)  # above any customer's number
    named = np.flatnonzero(customer >= 0)
    holders[card[named]] = customer[named]
    return np.unique(holders, return_inverse=True)[1].astype(np.int64)


def _owners(rows: pd.DataFrame, card: Ints, entities: Names, kinds: Ints) -> pd.DataFrame:
    """Return (card, entity) of receivers that are themselves cards or customers of the past."""
    numbers = np.flatnonzero(kinds == KINDS.index("counterparty"))
    receivers = pd.Series(numbers, index=entities[numbers])
    found = [
        pd.DataFrame({"card": card, "entity": rows[name].astype(object).map(receivers).to_numpy(np.float64)})
        for name in ("card_id", "customer_id")
    ]
    owners = pd.concat(found).dropna().drop_duplicates()
    return owners.astype(np.int64)


def _links(payments: pd.DataFrame, owners: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for kind in KINDS:
        used = payments[payments[kind] >= 0]
        parts.append(
            pd.DataFrame(
                {
                    "card": used["card"],
                    "entity": used[kind],
                    "payments": 1,
                    "frauds": (used["verdict"] == FRAUD).astype(np.int64),
                    "honest": (used["verdict"] == HONEST).astype(np.int64),
                    "first_us": used["time_us"],
                    "last_us": used["time_us"],
                }
            )
        )
    own = owners.assign(payments=0, frauds=0, honest=0, first_us=_NEVER, last_us=-1)
    whole = pd.concat([*parts, own], ignore_index=True).groupby(["card", "entity"], sort=True)
    links = whole.agg(dict.fromkeys(("payments", "frauds", "honest"), "sum") | {"first_us": "min", "last_us": "max"})
    links["first_us"] = links["first_us"].where(links["first_us"] != _NEVER, -1)
    return links.reset_index().astype(np.int64)
