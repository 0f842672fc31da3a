"""What came of each payment of a run, by its number, and the figures it adds up to.

Latency counts from the moment a payment was due to the moment its decision was consumed: a sender or a system that
falls behind cannot hide it (Gil Tene, "How NOT to Measure Latency", calls the opposite coordinated omission).
"""

from collections import Counter

import msgspec
import numpy as np
from numpy.typing import NDArray

MINUTE_S = 60.0
PERCENTILES = {"p50": 50, "p95": 95, "p99": 99, "p999": 99.9}


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A run summed up; milliseconds and payments a second. ``lost`` counts every payment sent, warm-up included."""

    offered_per_s: float
    achieved_per_s: float
    flat_out_per_s: float | None
    latency_ms: dict[str, float | None]
    sent: int
    lost: int
    duplicated: int
    degraded: int
    verdicts: dict[str, int]
    sent_late_ms: float
    errors: dict[str, int]
    per_minute: list[dict[str, float | None]]


class Arrivals:
    """Collects decisions; times are seconds of one clock.

    Payment ``n`` is due at ``start + n / rate``; the first ``warm_up`` of ``total`` are left out of the figures, and
    the first ``eased`` of these are due at half the rate.
    """

    def __init__(self, *, start: float, rate: float, total: int, warm_up: int = 0, eased: int = 0) -> None:
        number = np.arange(total)
        self.due = start + (number + np.minimum(number, eased)) / rate
        self._arrived: NDArray[np.float64] = np.full(total, np.nan)
        self._rate = rate
        self.warm_up = warm_up
        self.decided = 0
        self.duplicated = 0
        self.degraded = 0
        self.verdicts = {"approve": 0, "review": 0, "decline": 0}
        self.errors: Counter[str] = Counter()
        self.sent = 0
        self.sent_late_s = 0.0

    def was_sent(self, late_s: float) -> None:
        """Count a payment handed to the system ``late_s`` after it was due."""
        self.sent += 1
        self.sent_late_s = max(self.sent_late_s, late_s)

    def decision(self, number: int, verdict: str, degraded: bool, now: float) -> None:
        """Count a decision that was consumed at ``now``; one that comes again is a duplicate."""
        if not np.isnan(self._arrived[number]):
            self.duplicated += 1
            return
        self._arrived[number] = now
        self.decided += 1
        if number >= self.warm_up:
            self.degraded += degraded
            self.verdicts[verdict] += 1

    @property
    def in_flight(self) -> int:
        """Payments sent that no decision has come for."""
        return self.sent - self.decided

    def figures(self) -> Figures:
        """Sum up; call it when nothing more is to come.

        ``achieved_per_s`` is decisions consumed a second between the first due time after the warm-up and the last due
        time of all: below what was offered, the system was falling behind. ``flat_out_per_s`` is how fast they came
        from the tenth to the ninetieth in a hundred: what the system can do while there is always something waiting.
        """
        due, arrived = self.due[self.warm_up : self.sent], self._arrived[self.warm_up : self.sent]
        seconds = len(due) / self._rate
        late = arrived - due
        with np.errstate(invalid="ignore"):
            in_time = np.count_nonzero((self._arrived >= due[0]) & (self._arrived < due[0] + seconds)) if seconds else 0
        minutes = ((due - due[0]) // MINUTE_S).astype(int) if len(due) else np.empty(0, int)
        return Figures(
            offered_per_s=round(self._rate, 1),
            achieved_per_s=round(float(in_time / seconds), 1) if seconds else 0.0,
            flat_out_per_s=self._flat_out(),
            latency_ms=_percentiles(late) | {"max": _ms(np.nanmax(late)) if np.isfinite(late).any() else None},
            sent=self.sent,
            lost=self.in_flight,
            duplicated=self.duplicated,
            degraded=self.degraded,
            verdicts=self.verdicts,
            errors=dict(self.errors),
            sent_late_ms=round(self.sent_late_s * 1000, 2),
            per_minute=[
                {name: _percentiles(late[minutes == minute])[name] for name in ("p50", "p99")}
                for minute in range(minutes[-1] + 1 if len(minutes) else 0)
            ],
        )

    def _flat_out(self) -> float | None:
        arrived = np.sort(self._arrived[np.isfinite(self._arrived)])
        first, last = len(arrived) // 10, len(arrived) * 9 // 10
        if last <= first or arrived[last] <= arrived[first]:
            return None
        return round((last - first) / float(arrived[last] - arrived[first]), 1)


def _percentiles(seconds: NDArray[np.float64]) -> dict[str, float | None]:
    """Return percentiles in milliseconds of what has arrived; None where nothing has."""
    found = seconds[np.isfinite(seconds)]
    if not len(found):
        return dict.fromkeys(PERCENTILES)
    values = np.percentile(found, list(PERCENTILES.values())).tolist()
    return {name: _ms(value) for name, value in zip(PERCENTILES, values, strict=True)}


def _ms(seconds: float) -> float:
    return round(float(seconds) * 1000, 2)
