"""Where a micro-batch's time goes, from the worker's own metrics before and after."""

from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.reading import Samples

STAGES, BATCHES = "fraud_stage_seconds", "fraud_batch_transactions"
DERIVED = ("total",)  # stages that add up others
BESIDE = ("store_write",)  # goes on while the next micro-batch is decided


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Means over the micro-batches between two looks at the metrics.

    ``stage_ms`` by stage, longest first. ``busy`` is the share of wall-clock time that the stages took of a worker,
    without those that go on beside the others.
    """

    batch: float
    stage_ms: dict[str, float]
    busy: float

    @property
    def bottleneck(self) -> str:
        """Say which stage takes most, and how much of the time."""
        if not self.stage_ms:
            return "none: no micro-batch came through"
        own = {stage: ms for stage, ms in self.stage_ms.items() if stage not in BESIDE} or self.stage_ms
        stage, ms = next(iter(own.items()))
        share = ms / sum(own.values())
        return f"{stage}: {share:.0%} of the worker's time in stages; it was busy {self.busy:.0%} of the time"


def breakdown(before: Sequence[Samples], after: Sequence[Samples], seconds: float) -> Breakdown:
    """Compare the metrics of each worker before and after; ``seconds`` lie between them."""
    first, last = _added(before), _added(after)
    grown = {key: value - first.get(key, 0.0) for key, value in last.items()}
    batches = grown.get((f"{BATCHES}_count", ""), 0.0)
    records = grown.get((f"{BATCHES}_sum", ""), 0.0)
    spent = {stage: value for (name, stage), value in grown.items() if name == f"{STAGES}_sum" and stage not in DERIVED}
    if not batches:
        return Breakdown(0.0, {}, 0.0)
    longest = sorted(spent.items(), key=lambda item: -item[1])
    return Breakdown(
        batch=round(records / batches, 1),
        stage_ms={stage: round(value / batches * 1000, 3) for stage, value in longest},
        busy=round(sum(spent[stage] for stage in spent if stage not in BESIDE) / seconds / len(after), 3),
    )


def _added(workers: Sequence[Samples]) -> dict[tuple[str, str], float]:
    """Add up the samples of all workers by name and stage."""
    found: dict[tuple[str, str], float] = {}
    for samples in workers:
        for (name, labels), value in samples.items():
            if name.startswith((STAGES, BATCHES)):
                key = name, dict(labels).get("stage", "")
                found[key] = found.get(key, 0.0) + value
    return found
