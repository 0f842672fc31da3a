"""The ring score as one more column of the trees, after those of the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.scorer import Vector

RING_SCORE = "ring_score"
MEANING = "Probability of fraud by what the payment's entities share with others; missing where it could not be told."
REASON = "connected, through others, with known fraud"


@dataclass(frozen=True, slots=True)
class RingColumn:
    """Ring scores of a history, for trees to learn from: probabilities (n,), NaN where there is none, of ``model``.

    Each is by a network that was fitted on earlier payments alone (`models.rings.evaluation.out_of_fold`); the last of
    them is ``model`` (its version).
    """

    scores: Vector
    model: str


def with_ring_score(names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a bundle that takes the ring score, ``names`` being those of the catalogue."""
    return (*names, RING_SCORE)
