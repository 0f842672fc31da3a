"""The use case behind explanations: why a payment got its score, feature by feature, in log-odds."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import structlog

from features.catalogue import FEATURES
from features.errors import BundleError, StateError
from features.events import TransactionEvent
from features.transaction import Transaction
from models.anomaly import UNLIKE_TRAINING
from models.bundle import Bundle
from models.decision import Decision
from models.reasons import Reason, reason_codes
from models.rings.column import MEANING, RING_SCORE
from streaming.direct import AFTER_EVERYTHING
from streaming.ledger import Ledger
from streaming.scoring import Scoring

log = structlog.get_logger(__name__)
SCORE_TOLERANCE = 1e-6
_MEANINGS = {feature.name: feature.meaning for feature in FEATURES} | {RING_SCORE: MEANING}


@dataclass(frozen=True, slots=True)
class Attribution:
    """What one feature added to the log-odds; ``value`` is None where it was missing."""

    feature: str
    value: float | None
    attribution: float
    meaning: str


@dataclass(frozen=True, slots=True)
class Explained:
    """A decision and its explanation: ``base`` and the attributions add up to ``log_odds``.

    ``attributions`` come largest absolute value first, ``reasons`` strongest first.
    """

    decision: Decision
    base: float
    log_odds: float
    attributions: list[Attribution]
    reasons: list[Reason]


class Explaining:
    """Explains recorded decisions from their features as scored, and transactions from the present feature states.

    ``bundle_for`` finds bundles other than the one in use by version, and gives None (or raises `BundleError`) where
    there is none that can be used.
    """

    def __init__(
        self, scoring: Scoring, ledger: Ledger, *, bundle_for: Callable[[str], Bundle | None] | None = None
    ) -> None:
        self._scoring = scoring
        self._ledger = ledger
        self._bundle_for = bundle_for or (lambda _version: None)
        self._other: Bundle | None = None

    @property
    def model_version(self) -> str:
        """Version of the bundle in use."""
        return self._scoring.bundle.version

    def recorded(self, transaction_id: str) -> Decision | None:
        """Return the decision recorded for a transaction, if there is one."""
        found = self._ledger.find([transaction_id]).get(transaction_id)
        return found.decision if found else None

    def explain(self, decision: Decision) -> Explained | None:
        """Explain a decision by the model that made it; None when that model cannot be had.

        Raises `StateError` when the decision's features do not give its score again.
        """
        bundle = self._bundle(decision.model_version)
        return explain(bundle, decision) if bundle else None

    def explain_now(self, transaction: Transaction) -> Explained:
        """Explain what the decision would be against the present feature states; nothing is recorded."""
        event = TransactionEvent(AFTER_EVERYTHING, transaction)
        before = self._scoring.bundle
        [decision] = self._scoring.decide([event]).decisions
        # The model may be swapped while this is decided.
        return explain(before if before.version == decision.model_version else self._scoring.bundle, decision)

    def _bundle(self, version: str) -> Bundle | None:
        in_use = self._scoring.bundle
        if version == in_use.version:
            return in_use
        if self._other is None or self._other.version != version:
            try:
                self._other = self._bundle_for(version)  # kept: questions about one period come together
            except BundleError as error:
                log.warning("the bundle of an earlier decision cannot be loaded", error=str(error))
                self._other = None
        return self._other


def explain(bundle: Bundle, decision: Decision) -> Explained:
    """Explain a decision by the part of ``bundle`` that gave its score, from the features that it holds."""
    names = bundle.feature_names
    scorer = bundle.fallback if decision.scored_by == "fallback" else bundle
    if set(names) != decision.features.keys() or scorer is None:
        raise _not_its_features(decision)
    values = [decision.features[name] for name in names]
    row = np.array([values], dtype=np.float32)  # None becomes NaN; scored values are float32, so nothing is rounded
    explanation = scorer.explain(row)
    if not math.isclose(float(scorer.score(row)[0]), decision.score, rel_tol=0, abs_tol=SCORE_TOLERANCE):
        raise _not_its_features(decision)
    attributions = [
        Attribution(name, value, float(attribution), _MEANINGS.get(name, name.replace("_", " ")))
        for name, value, attribution in zip(names, values, explanation.attributions[0], strict=True)
    ]
    unusual = bundle.anomaly if UNLIKE_TRAINING in decision.reason_codes else None
    attributions.sort(key=lambda item: -abs(item.attribution))
    return Explained(
        decision,
        base=float(explanation.base),
        log_odds=float(explanation.log_odds[0]),
        attributions=attributions,
        reasons=unusual.reasons(row[0]) if unusual else reason_codes(explanation.attributions[0], row[0], names),
    )


def _not_its_features(decision: Decision) -> StateError:
    return StateError(
        f"The features recorded for transaction {decision.transaction_id} do not give its score with model "
        f"{decision.model_version}.",
        remedy="The ledger or the bundle was changed: compare both with their backups.",
    )
