"""What the catalogue says of one feature."""

import math
from dataclasses import dataclass
from typing import Literal

from features.store import Entity

Source = Literal["request", "transactions", "labels"]
FRESHNESS: dict[Source, str] = {
    "request": "with every request",
    "transactions": "as soon as the previous transaction is folded",
    "labels": "when labels arrive",
}
NAN = math.nan
SPOKEN_ENTITY: dict[Entity, str] = {
    "card": "card",
    "merchant": "merchant",
    "device": "device",
    "ip": "IP address",
    "customer": "customer",
}


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature matrix.

    ``entity`` is the entity whose state it is read from ("request" where none is needed), ``window`` the span of event
    time it looks back over ("" where it has none, "remembered" for everything the state still holds). ``default`` is
    its value when the entity is unknown (cold start); a missing input gives NaN. ``meaning`` is one plain line,
    ``reason`` the short phrase that an analyst reads when the feature raised a score. ``source`` says what moves it:
    the request alone, every transaction, or the arrival of labels.
    """

    name: str
    entity: Entity | Literal["request"]
    window: str
    default: float
    meaning: str
    reason: str
    source: Source = "transactions"
    dtype: Literal["float32"] = "float32"

    @property
    def request_only(self) -> bool:
        """Whether the request alone is enough to compute it: such features survive the loss of the feature store."""
        return self.source == "request"

    @property
    def freshness(self) -> str:
        """When its value moves, in words."""
        return FRESHNESS[self.source]
