"""Features over the sliding windows of one entity's transactions: (T - window, T], before the transaction itself."""

from features.feature import NAN, SPOKEN_ENTITY, Feature
from features.store import ENTITIES, Entity

WINDOWS = ("1h", "24h", "7d", "30d")
STATISTICS = ("count", "sum", "mean", "std", "max")
SPOKEN = {"1h": "hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}
_FULL: tuple[Entity, ...] = ("card", "merchant")
_COUNTED: tuple[Entity, ...] = ("device", "ip", "customer")


def _statistic(entity: Entity, statistic: str, window: str) -> Feature:
    who, span = SPOKEN_ENTITY[entity], SPOKEN[window]
    meaning, reason = {
        "count": ("Number of transactions", "many payments"),
        "sum": ("Sum of amounts", "high total"),
        "mean": ("Mean amount", "unusual average amount"),
        "std": ("Standard deviation (population) of amounts", "unusual spread of amounts"),
        "max": ("Largest amount", "a very large payment"),
    }[statistic]
    default = 0.0 if statistic in ("count", "sum") else NAN
    return Feature(
        f"{entity}_{statistic}_{window}",
        entity,
        window,
        default,
        f"{meaning} of this {who} in the last {span}.",
        f"{reason} for this {who} in the last {span}",
    )


def _windows(entity: Entity) -> tuple[Feature, ...]:
    if entity in _FULL:
        return tuple(_statistic(entity, statistic, window) for window in WINDOWS for statistic in STATISTICS)
    return tuple(_statistic(entity, "count", window) for window in WINDOWS[:3])


def _recency(entity: Entity) -> tuple[Feature, ...]:
    who = SPOKEN_ENTITY[entity]
    return (
        Feature(
            f"{entity}_hours_since_last",
            entity,
            "",
            NAN,
            f"Hours since the last transaction of this {who}.",
            f"the time since this {who}'s last payment",
        ),
        Feature(
            f"{entity}_age_days",
            entity,
            "",
            NAN,
            f"Days since this {who} was first seen.",
            f"how long this {who} has been known",
        ),
    )


def _small(entity: Entity, window: str) -> Feature:
    who, span = SPOKEN_ENTITY[entity], SPOKEN[window]
    return Feature(
        f"{entity}_small_count_{window}",
        entity,
        window,
        0.0,
        f"Number of amounts of at most 5 at this {who} in the last {span}, among those remembered.",
        f"many very small payments for this {who} in the last {span}",
    )


def _distinct(entity: Entity, what: str, window: str) -> Feature:
    who, span = SPOKEN_ENTITY[entity], SPOKEN[window]
    return Feature(
        f"{entity}_distinct_{what}_{window}",
        entity,
        window,
        0.0,
        f"Number of different {what} of this {who} in the last {span}, among its remembered transactions.",
        f"many different {what} for this {who} in the last {span}",
    )


DISTINCT_WINDOWS = ("24h", "7d")
WINDOW_FEATURES = (
    *(feature for entity in ENTITIES for feature in _windows(entity)),
    *(feature for entity in ENTITIES for feature in _recency(entity)),
    *(_small("card", window) for window in ("1h", "24h")),
    *(_small(entity, "1h") for entity in ("merchant", *_COUNTED)),
    *(_distinct("card", what, window) for what in ("merchants", "countries", "devices") for window in DISTINCT_WINDOWS),
    *(_distinct(entity, "cards", window) for entity in ("merchant", *_COUNTED) for window in DISTINCT_WINDOWS),
)
