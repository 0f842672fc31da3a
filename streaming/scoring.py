"""The use case that every transport shares: transactions in, decisions out.

Feature states are read, folded and scored in one micro-batch. A store that does not answer in time never blocks a
payment: its transactions are scored by the bundle's fallback on what they carry themselves, marked ``degraded``, and
never silently approved. Where one entity's state alone is unusable the model still scores: the other entities' features
tell it more than the request tells the fallback.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from features.engine import FeatureEngine, UnusableState
from features.errors import StoreUnavailable
from features.events import Event, TransactionEvent
from features.flags import UNUSABLE, recorded_flags
from features.store import FeatureStore, Found, States
from features.transaction import Transaction
from models.bundle import Bundle, with_column
from models.decision import Decision
from models.policy import Policy
from models.rings.column import RING_SCORE
from streaming.bounded_store import BoundedStore
from streaming.judging import judge
from streaming.network_stage import NETWORK_STAGE, NetworkStage
from streaming.replacing import replace_states
from streaming.ring_stage import RINGS_STAGE, RingStage, carried
from streaming.stopwatch import Stopwatch
from streaming.unusable_states import UnusableStates

LATE_EVENT = "LATE_EVENT"  # later than the allowed lateness: scored, and flagged
FEATURES_STAGE = "features"
STORE_TIMEOUT_S = 0.05  # the store's share of the 100 ms
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current processing time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Scored:
    """Decisions, one per `TransactionEvent` in order, and the states after the fold.

    ``states`` is None when the store could not be read: there is nothing right to write back then. ``read`` is what
    they were before. ``unusable`` are stored states that were given up: whoever writes ``states`` replaces them.
    """

    decisions: list[Decision]
    read: Found
    states: Found | None
    unusable: tuple[UnusableState, ...] = ()


class Scoring:
    """Scores micro-batches of events, each against one model bundle and its policy."""

    def __init__(
        self,
        engine: FeatureEngine,
        store: FeatureStore,
        bundle: Bundle,
        policy: Policy,
        *,
        rings: RingStage | None = None,
        network: NetworkStage | None = None,
        store_timeout_s: float = STORE_TIMEOUT_S,
        clock: Clock = utc_now,
    ) -> None:
        self.rings = rings or RingStage()
        self.network = network or NetworkStage()
        self._engine = engine
        self._store = BoundedStore(store, store_timeout_s)
        self._serving = bundle, policy  # one reference, so that both change at once
        self._clock = clock
        self._unusable = UnusableStates()

    @property
    def bundle(self) -> Bundle:
        """The model bundle in use."""
        return self._serving[0]

    @property
    def policy(self) -> Policy:
        """The decision policy in use."""
        return self._serving[1]

    def swap(self, bundle: Bundle, policy: Policy) -> None:
        """Decide by another bundle and its policy from the next micro-batch on; safe in any thread.

        A micro-batch being decided goes on with what it began with. The bundle comes loaded, checked and warm.
        """
        self._serving = bundle, policy

    def warm_up(self) -> None:
        """Compile the fold, open the store and score once, so that the first transaction pays for none of it."""
        self._engine.warm_up()
        self._store.patient.warm_up()
        if self.bundle.network is not None:
            self.network.warm_up(self.bundle.network)
        self.bundle.smoke_test()

    def decide(
        self,
        events: Sequence[Event],
        *,
        stage_ms: dict[str, float] | None = None,
        with_history: bool = True,
        fresh: States | None = None,
    ) -> Scored:
        """Fold ``events`` in order and decide each transaction among them.

        Args:
            events: transactions and labels in the order of their ``seq``.
            stage_ms: milliseconds already spent on this micro-batch by earlier stages; entered into each decision.
            with_history: False leaves the store alone, as if it did not answer.
            fresh: states that are on their way into the store; they are not read.

        """
        watch = Stopwatch(stage_ms)
        bundle, policy = self._serving
        states = self._read(events, fresh or {}) if with_history else None
        watch.lap("store_read")
        fold = self._engine.fold(events, states or {})
        self._unusable.log(fold.unusable)
        watch.lap("fold")
        transactions = [event.transaction for event in events if isinstance(event, TransactionEvent)]
        if not transactions:
            return Scored([], states or {}, fold.states if states is not None else None, fold.unusable)
        fallback = bundle.fallback if states is None else None
        scorer = fallback or bundle
        features, networked = self._with_ring_score(bundle, transactions, fold.features, states is not None)
        if bundle.network is not None:
            watch.lap(NETWORK_STAGE)
        scores = scorer.score(features)
        flags = [recorded_flags(found, states is not None) for found in fold.flags]
        degraded = [
            (FEATURES_STAGE,) if states is None or any(flag.startswith(UNUSABLE) for flag in found) else ()
            for found in flags
        ]
        anomalies = _anomalies(bundle, features, degraded)
        watch.lap("model")
        verdicts, reasons = judge(bundle, scorer, policy, features, scores, transactions, degraded, anomalies)
        watch.lap("policy")
        touches = self.rings.touch(transactions, self._clock())
        watch.lap(RINGS_STAGE)
        # No reason to review: trees know a missing ring score, and the verdict does not depend on the rest.
        without_rings = (RINGS_STAGE,) if touches is None or not networked else ()
        carrying = [carried(touch) for touch in touches or [None] * len(transactions)]
        named = named_features(bundle.feature_names, features)
        decided_at, policy_version = self._clock(), policy.version
        decisions = [
            Decision(
                transaction_id=transaction.transaction_id,
                decision=verdicts[row],
                score=float(scores[row]),
                reason_codes=reasons[row] + carrying[row][1] + ((LATE_EVENT,) if "too_late" in fold.flags[row] else ()),
                ring=carrying[row][0],
                model_version=bundle.version,
                policy_version=policy_version,
                features=named[row],
                stage_ms=watch.stage_ms,
                degraded=degraded[row] + without_rings,
                flags=flags[row],
                scored_by="fallback" if fallback else "model",
                anomaly=anomalies[row],
                ring_score=named[row].get(RING_SCORE),
                event_time=transaction.event_time,
                decided_at=decided_at,
            )
            for row, transaction in enumerate(transactions)
        ]
        return Scored(decisions, states or {}, fold.states if states is not None else None, fold.unusable)

    def refold(self, events: Sequence[Event], *, patient: bool = True) -> tuple[UnusableState, ...]:
        """Bring feature states up to date with events decided earlier; states skip what they have applied already.

        Takes as long as the store does, unless told to be impatient. Return the stored states that were given up.
        """
        store = self._store.patient if patient else self._store
        read = store.read(self._engine.keys(events))
        fold = self._engine.fold(events, read)
        self._unusable.log(fold.unusable)
        replace_states(self._engine, store.replace, fold.states, read, events)
        return fold.unusable

    def write(self, states: States, read: States, events: Sequence[Event]) -> int:
        """Make states durable that ``events`` made of those ``read``, beside the decisions.

        Return how many another worker had changed meanwhile, which are folded anew.
        """
        return replace_states(self._engine, self._store.replace_beside, states, read, events)

    @property
    def store(self) -> BoundedStore:
        """The feature store, bounded by its share of the reply's budget."""
        return self._store

    def close(self) -> None:
        """Close the feature store and what asks for rings."""
        self._store.close()
        self.rings.close()
        self.network.close()

    def _read(self, events: Sequence[Event], fresh: States) -> Found | None:
        wanted = self._engine.keys(events)
        known: Found = {
            entity: {key: states[key] for key in wanted.get(entity, ()) if key in states}
            for entity, states in fresh.items()
        }
        unknown = {
            entity: [key for key in keys if key not in known[entity]] if entity in known else keys
            for entity, keys in wanted.items()
        }
        try:
            found = self._store.read(unknown) if any(unknown.values()) else {}
        except StoreUnavailable:
            return None
        for entity, states in known.items():
            found.setdefault(entity, {}).update(states)
        return found

    def _with_ring_score(
        self, bundle: Bundle, transactions: Sequence[Transaction], features: NDArray[np.float32], has_history: bool
    ) -> tuple[NDArray[np.float32], bool]:
        """Return the columns that ``bundle`` takes, and whether the ring score is there if it is one of them.

        Without history the network is not asked: it would judge by defaults.
        """
        if RING_SCORE not in bundle.feature_names:
            return features, True
        found = None
        if has_history and bundle.network is not None:
            found = self.network.score(bundle.network, transactions, features, self._clock())
        return with_column(features, found), found is not None


def named_features(names: Sequence[str], features: NDArray[np.float32]) -> list[dict[str, float | None]]:
    """Return each feature row by name, missing values as None."""
    values = features.astype(object)
    values[np.isnan(features)] = None
    return [dict(zip(names, row, strict=True)) for row in values.tolist()]


def _anomalies(
    bundle: Bundle, features: NDArray[np.float32], degraded: Sequence[tuple[str, ...]]
) -> list[float | None]:
    """How unlike training each row is; None where features are missing, for that alone would look unusual."""
    if bundle.anomaly is None or all(degraded):
        return [None] * len(degraded)
    found = bundle.anomaly.percentile(features).tolist()
    return [None if missing else share for share, missing in zip(found, degraded, strict=True)]
