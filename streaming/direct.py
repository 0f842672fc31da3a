"""The use case behind request/reply transports: score now, answer now, let the stream worker do the rest.

A decision is final once it is in the ledger. Feature states are left alone here: the workers write them, and
the `streaming.forwarder.Forwarder` hands it what was decided here.
"""

from collections.abc import Callable, Sequence
from threading import Lock
from time import perf_counter

from features.codec import content_hash
from features.engine import UnusableState
from features.errors import DuplicateConflict, LedgerUnavailable
from features.events import TransactionEvent
from features.transaction import Transaction
from models.decision import Decision
from monitoring.metrics import Metrics
from streaming.conflicts import comes_twice, decided_before
from streaming.ledger import Ledger, LedgerBatch, Recorded
from streaming.observing import observe_request
from streaming.scoring import Scoring

# Behind everything that the worker has numbered so far, so that the fold takes these transactions for new ones.
AFTER_EVERYTHING = 1 << 62
RACES = 5  # attempts at a request whose transactions the worker keeps recording at the same time


class DirectScoring:
    """Scores a request's transactions against the ledger and the present feature states.

    ``on_recorded`` is called after each commit of new decisions (`Forwarder.wake`). Safe to share between threads;
    requests are taken one at a time, for the fold and the model use one core anyway.
    """

    def __init__(
        self,
        scoring: Scoring,
        ledger: Ledger,
        *,
        metrics: Metrics | None = None,
        on_recorded: Callable[[], None] | None = None,
    ) -> None:
        self._scoring = scoring
        self._ledger = ledger
        self._metrics = metrics
        self._on_recorded = on_recorded or (lambda: None)
        self._lock = Lock()

    def score(self, transactions: Sequence[Transaction]) -> list[Decision]:
        """Return one decision per transaction, in order; earlier ones count towards the features of later ones.

        A transaction decided before, or twice in the request, gets its first decision. All or nothing: raises
        `DuplicateConflict` (naming the id) when a known id comes with different content and `LedgerUnavailable` when
        decisions cannot be recorded; then nothing of the request is.
        """
        hashes = _hashes(transactions)
        with self._lock:
            for attempt in range(1 + RACES):
                started = perf_counter()
                # Hardly any was: asking first would cost every request what the ledger says when it records.
                decided = self._decided_before(hashes) if attempt else {}
                new = [t for t in _each_once(transactions) if t.transaction_id not in decided]
                fresh, unusable = self._decide(new, hashes, perf_counter() - started) if new else ([], ())
                try:
                    self._record(fresh)
                except DuplicateConflict:
                    continue  # one of them is decided: its first decision is the final one
                if self._metrics is not None:
                    repeated = len(transactions) - len(fresh)
                    observe_request(self._metrics, fresh, repeated=repeated, unusable=unusable)
                decided |= {recorded.transaction.transaction_id: recorded.decision for recorded in fresh}
                return [decided[t.transaction_id] for t in transactions]
        raise LedgerUnavailable(
            "The ledger keeps refusing a request as decided already.", remedy="Send the same request again."
        )

    def score_each(self, transactions: Sequence[Transaction]) -> list[Decision | DuplicateConflict]:
        """Score transactions of separate requests together, in order; a conflict is the answer to its own alone.

        Together they take one read, one fold and one commit, and earlier ones count for later ones. Raises
        `LedgerUnavailable` as `score` does.
        """
        try:
            return [*self.score(transactions)]
        except DuplicateConflict as conflict:
            if len(transactions) == 1:
                return [conflict]
            return [answer for transaction in transactions for answer in self.score_each([transaction])]

    def look_up(self, transaction_id: str) -> Decision | None:
        """Return the decision recorded for a transaction, if there is one."""
        recorded = self._ledger.find([transaction_id]).get(transaction_id)
        return recorded.decision if recorded else None

    def _decided_before(self, hashes: dict[str, str]) -> dict[str, Decision]:
        found = self._ledger.find(list(hashes))
        for transaction_id, recorded in found.items():
            if recorded.content_hash != hashes[transaction_id]:
                raise decided_before(transaction_id)
        return {transaction_id: recorded.decision for transaction_id, recorded in found.items()}

    def _decide(
        self, new: Sequence[Transaction], hashes: dict[str, str], intake_s: float
    ) -> tuple[list[Recorded], tuple[UnusableState, ...]]:
        events = [TransactionEvent(AFTER_EVERYTHING + place, transaction) for place, transaction in enumerate(new)]
        scored = self._scoring.decide(events, stage_ms={"intake": round(intake_s * 1000, 3)})
        fresh = [
            Recorded(transaction, hashes[transaction.transaction_id], decision, "rest", None)
            for transaction, decision in zip(new, scored.decisions, strict=True)
        ]
        return fresh, scored.unusable

    def _record(self, fresh: Sequence[Recorded]) -> None:
        if fresh:
            self._ledger.commit(LedgerBatch(decisions=fresh))
            self._on_recorded()


def _hashes(transactions: Sequence[Transaction]) -> dict[str, str]:
    hashes: dict[str, str] = {}
    for transaction in transactions:
        digest = content_hash(transaction)
        if hashes.setdefault(transaction.transaction_id, digest) != digest:
            raise comes_twice(transaction.transaction_id)
    return hashes


def _each_once(transactions: Sequence[Transaction]) -> list[Transaction]:
    return list({transaction.transaction_id: transaction for transaction in transactions}.values())
