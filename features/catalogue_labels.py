"""Features from labels: how often, and how recently, an entity's transactions turned out to be fraud.

A label counts from its own arrival (``label_time``) on, never from its transaction's time, and windows are windows of
arrival: (T - window, T] of label time.
"""

from features.feature import NAN, SPOKEN_ENTITY, Feature
from features.store import ENTITIES, Entity

LABEL_WINDOWS = ("24h", "7d", "30d")
STREAKS = (3, 5, 10)
PRIOR_RATE = 0.005  # the fraud rate assumed where nothing is known
PRIOR_WEIGHT = 10.0  # how many labels that assumption is worth


def _label(entity: Entity, name: str, window: str, default: float, *texts: str) -> Feature:
    meaning, reason = texts
    return Feature(f"{entity}_{name}", entity, window, default, meaning, reason, source="labels")


def _outcomes(entity: Entity) -> tuple[Feature, ...]:
    who = SPOKEN_ENTITY[entity]
    known = f"known outcomes of this {who}"
    frauds = f"recent fraud at this {who}" if entity != "card" else "recent fraud on this card"
    spans = {"24h": "24 hours", "7d": "7 days", "30d": "30 days"}
    return (
        *(
            _label(
                entity, f"labelled_{window}", window, 0.0, f"Labels that arrived in the last {spans[window]}.", known
            )
            for window in LABEL_WINDOWS
        ),
        _label(entity, "labelled_all", "all", 0.0, "Labels that ever arrived.", known),
        *(
            _label(
                entity,
                f"fraud_rate_{window}",
                window,
                PRIOR_RATE,
                f"Share of fraud among the labels that arrived in the last {spans[window]}, smoothed.",
                frauds,
            )
            for window in LABEL_WINDOWS
        ),
        _label(entity, "fraud_rate_all", "all", PRIOR_RATE, "Share of fraud among all labels, smoothed.", frauds),
        *(
            _label(
                entity,
                f"fraud_share_last_{length}",
                "remembered",
                NAN,
                f"Share of fraud among the last {length} transactions with a known outcome.",
                f"the last known payments of this {who} were fraud",
            )
            for length in STREAKS
        ),
        _label(
            entity,
            "fraud_run_length",
            "remembered",
            0.0,
            "How many of the last transactions with a known outcome are fraud without a break.",
            f"an unbroken run of fraud at this {who}",
        ),
        _label(
            entity,
            "fraud_run_age_hours",
            "remembered",
            NAN,
            "Hours since the first transaction of that run; missing without a run.",
            f"an unbroken run of fraud at this {who}",
        ),
        _label(
            entity,
            "hours_since_fraud",
            "remembered",
            NAN,
            "Hours since the last transaction that is known to be fraud.",
            frauds,
        ),
    )


OUTCOMES = tuple(feature for entity in ENTITIES for feature in _outcomes(entity))
