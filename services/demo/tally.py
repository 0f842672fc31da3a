"""What the demo saw: counts, latencies and how much fraud was caught."""

from collections import Counter, deque
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter

import numpy as np

from models.decision import Decision
from models.metrics import average_precision

RECENT = 2000


@dataclass
class Tally:
    """Thread-safe counts of one run; ``fraud`` holds the truth of every transaction to be sent, by id."""

    fraud: dict[str, bool]
    started: float = field(default_factory=perf_counter)
    transactions: int = 0
    dead_lettered: int = 0
    duplicates: int = 0
    first_decision_s: float | None = None
    verdicts: Counter[str] = field(default_factory=Counter)
    fraud_verdicts: Counter[str] = field(default_factory=Counter)
    degraded: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)
    stages: dict[str, deque[float]] = field(default_factory=dict)
    notable: deque[Decision] = field(default_factory=lambda: deque(maxlen=5))
    _sent: dict[str, float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def sent(self, transaction_id: str, due: float) -> None:
        """Count a transaction handed to the broker; ``due`` is the `perf_counter` time at which it was to go."""
        with self._lock:
            self.transactions += 1
            if transaction_id:
                self._sent[transaction_id] = due

    def decided(self, decision: Decision) -> None:
        """Count a decision that came out; decisions on anything but this run's transactions are ignored."""
        now = perf_counter()
        key = decision.transaction_id
        with self._lock:
            if key in self.scores:
                self.duplicates += 1
                return
            due = self._sent.get(key)
            if due is None:
                return
            if self.first_decision_s is None:
                self.first_decision_s = now - self.started
            self.latencies_ms.append((now - due) * 1000)
            self.scores[key] = decision.score
            self.verdicts[decision.decision] += 1
            self.degraded += bool(decision.degraded)
            if self.fraud.get(key):
                self.fraud_verdicts[decision.decision] += 1
            if decision.decision != "approve":
                self.notable.append(decision)
            for stage, milliseconds in decision.stage_ms.items():
                self.stages.setdefault(stage, deque(maxlen=RECENT)).append(milliseconds)

    def dead(self) -> None:
        """Count a dead letter."""
        with self._lock:
            self.dead_lettered += 1

    def is_decided(self, transaction_id: str) -> bool:
        """Tell whether a transaction has no decision to wait for: it came out, or this run does not send it."""
        return transaction_id in self.scores or transaction_id not in self.fraud

    @property
    def decisions(self) -> int:
        """Transactions of this run that were decided."""
        return len(self.scores)

    @property
    def in_flight(self) -> int:
        """Transactions sent that neither came out as a decision nor as a dead letter."""
        return self.transactions - len(self.scores) - self.dead_lettered

    def recent_ms(self) -> dict[str, tuple[float, float]]:
        """Median and 99th percentile of the last latencies: end to end, then by stage; milliseconds."""
        with self._lock:
            series = {"end to end": self.latencies_ms[-RECENT:]} | {k: list(v) for k, v in self.stages.items()}
        return {name: (percentile(values, 50), percentile(values, 99)) for name, values in series.items() if values}

    def summary(self) -> dict[str, object]:
        """Return the figures that a run is judged by; call it when nothing is in flight any more."""
        truth = np.array([self.fraud[key] for key in self.scores], dtype=bool)
        scores = np.array(list(self.scores.values()))
        return {
            "transactions": self.transactions,
            "decisions": self.decisions,
            "dead_lettered": self.dead_lettered,
            "duplicates": self.duplicates,
            "lost": self.in_flight,
            "latency_ms": {f"p{q}": round(percentile(self.latencies_ms, q), 2) for q in (50, 95, 99)},
            "average_precision": round(average_precision(truth, scores), 4) if truth.any() else None,
            "fraud_rate": round(float(truth.mean()), 6) if len(truth) else None,
            "seconds_to_first_decision": None if self.first_decision_s is None else round(self.first_decision_s, 1),
            "verdicts": dict(self.verdicts),
            "fraud_caught": sum(n for verdict, n in self.fraud_verdicts.items() if verdict != "approve"),
            "frauds": int(truth.sum()),
            "degraded": self.degraded,
        }


def percentile(values: list[float], q: float) -> float:
    """Return the q-th percentile, NaN of nothing."""
    return float(np.percentile(values, q)) if values else float("nan")
