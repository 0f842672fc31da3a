"""Card precision@k (Dal Pozzolo et al.; Fraud Detection Handbook, chapter 4): the analysts' view of a model.

Each day, cards are ranked by their highest score and the first ``k`` investigated; precision is the share of ``k`` that
were truly compromised that day. Cards found leave the following days.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Counts = NDArray[np.int64]


class CardDays:
    """Transactions reduced to one row a day and card, ranked once: precision for many weightings is then cheap.

    Args:
        days: day of each transaction, shape (n,).
        cards: number of its card from 0, shape (n,).
        scores: its score, shape (n,); equal scores rank in order of the card's first appearance that day.
        is_fraud: its truth, shape (n,).

    """

    def __init__(self, days: ArrayLike, cards: ArrayLike, scores: ArrayLike, is_fraud: ArrayLike) -> None:
        day, card = np.asarray(days), np.asarray(cards)
        score, truth = np.asarray(scores, float), np.asarray(is_fraud, bool)
        self.cards = int(card.max()) + 1
        self._days: list[tuple[NDArray[np.intp], NDArray[np.bool_]]] = []
        by_day = np.argsort(day, kind="stable")
        for rows in np.split(by_day, np.flatnonzero(np.diff(day[by_day])) + 1):
            present, first, place = np.unique(card[rows], return_index=True, return_inverse=True)
            highest, compromised = np.full(len(present), -np.inf), np.zeros(len(present), bool)
            np.maximum.at(highest, place, score[rows])
            np.logical_or.at(compromised, place, truth[rows])
            ranked = np.lexsort((first, -highest))
            self._days.append((present[ranked], compromised[ranked]))

    def precision_at(self, k: int, copies: Counts | None = None) -> float:
        """Return the mean over days; ``copies`` (cards,) says how often each card counts, as in a bootstrap resample.

        Copies of a card score the same: those among the first ``k`` are found and leave, the others stay.
        """
        left = np.ones(self.cards, np.int64) if copies is None else copies.astype(np.int64)
        found = 0
        for present, compromised in self._days:
            here = left[present]
            above = np.cumsum(here) - here
            hits = np.clip(k - above, 0, here) * compromised
            left[present] -= hits
            found += int(hits.sum())
        return found / (k * len(self._days))
