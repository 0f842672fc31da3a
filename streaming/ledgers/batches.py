"""The rules that every ledger holds a batch to, before and while it is written."""

from collections import Counter
from collections.abc import Iterable

from features.errors import DuplicateConflict, Superseded
from features.events import source_of
from streaming.ledger import LedgerBatch


def given_seqs(batch: LedgerBatch) -> list[int]:
    """Every ``seq`` that the batch gives out, in no particular order."""
    decided = [recorded.seq for recorded in batch.decisions if recorded.seq is not None]
    return [*decided, *(seq for _, seq in batch.placed), *(event.seq for event in batch.folded_labels)]


def ends_of_sources(seqs: Iterable[int]) -> dict[int, tuple[int, int]]:
    """The first and the last ``seq`` of each source."""
    ends: dict[int, tuple[int, int]] = {}
    for seq in seqs:
        first, last = ends.get(source_of(seq), (seq, seq))
        ends[source_of(seq)] = min(first, seq), max(last, seq)
    return ends


def check_no_duplicates(batch: LedgerBatch) -> None:
    """Raise `DuplicateConflict` if the batch decides one transaction twice."""
    counts = Counter(recorded.transaction.transaction_id for recorded in batch.decisions)
    if len(counts) < len(batch.decisions):
        raise duplicate(transaction_id for transaction_id, times in counts.items() if times > 1)


def check_seqs_differ(seqs: list[int]) -> None:
    """Raise ValueError if one ``seq`` is given twice: a defect of the caller."""
    if len(set(seqs)) < len(seqs):
        raise ValueError(f"a batch gives the same seq twice (between {min(seqs)} and {max(seqs)})")


def duplicate(transaction_ids: Iterable[str]) -> DuplicateConflict:
    """The error for transactions that are recorded already."""
    ids = sorted(transaction_ids)
    named = ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
    return DuplicateConflict(
        f"The ledger holds a decision for {named} already; nothing of the batch was written.",
        remedy="Read the recorded decisions with find() and answer with those.",
    )


def out_of_order(first: int, last: int) -> Superseded:
    """The refusal of a ``seq`` that was given before: another worker has this partition now."""
    return Superseded(
        f"The batch starts at seq {first}, but seq {last} was given already; nothing of the batch was written.",
        remedy="Take up the order where the ledger is now.",
    )


def not_waiting(what: str, transaction_id: str) -> Superseded:
    """The refusal of a ``seq`` for something that has one, from another worker, or was never recorded."""
    return Superseded(f"{what} of transaction {transaction_id} is not recorded or has a seq already.")
