"""How a load process is spoken with: a JSON command a line on its standard input, JSON lines back.

It says ``ready`` once, then for each command ``measuring`` when the warm-up is over, ``progress`` twice a second, and
``figures`` last.
"""

import sys
from collections.abc import Callable
from typing import Literal

import msgspec

from services.benchmarks.live.arrivals import Arrivals, Figures

PROGRESS_S = 0.5


class Command(msgspec.Struct, frozen=True):
    """Send for ``warm_up_s + seconds`` at ``rate`` a second, at half of it for the first two thirds of the warm-up.

    A broker that has just started is slow, and what would wait by then would be measured later.
    """

    rate: float
    seconds: float
    warm_up_s: float = 0.0

    def arrivals(self, start: float) -> Arrivals:
        """Return what collects its answers; the first payment is due at ``start``."""
        third = round(self.rate * self.warm_up_s / 3)  # payments of the warm-up's first two thirds, and of its last
        total = 2 * third + round(self.rate * self.seconds)
        return Arrivals(start=start, rate=self.rate, total=total, warm_up=2 * third, eased=third)


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of what the process says."""

    kind: Literal["ready", "measuring", "progress", "figures"]
    sent: int = 0
    total: int = 0
    figures: Figures | None = None


def obey(run: Callable[[Command], Figures]) -> None:
    """Run commands until standard input ends."""
    say(Report("ready"))
    for line in sys.stdin:
        say(Report("figures", figures=run(msgspec.json.decode(line, type=Command))))


def tell(arrivals: Arrivals) -> None:
    """Say how many payments are decided."""
    say(Report("progress", sent=arrivals.decided, total=len(arrivals.due)))


def say(report: Report) -> None:
    """Say one line."""
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    sys.stdout.flush()
