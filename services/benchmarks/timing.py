"""Times repeated calls and sums them up in percentiles."""

from time import perf_counter
from types import TracebackType

import numpy as np


class Timer:
    """Collects the duration of each ``with`` block: ``seconds``, in order."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._started = 0.0

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.seconds.append(perf_counter() - self._started)


def percentiles_us(seconds: list[float], size: int = 1) -> dict[str, float]:
    """Return ``p50`` and ``p99`` of calls in µs, and ``per_transaction``: the median divided by ``size``.

    ``size`` is how many transactions a call takes. NaN where there were no calls.
    """
    p50, p99 = (np.percentile(seconds, (50, 99)) * 1e6).tolist() if seconds else (float("nan"),) * 2
    return {"p50": round(p50, 1), "p99": round(p99, 1), "per_transaction": round(p50 / size, 1)}
