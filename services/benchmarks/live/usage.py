"""What processes take of the machine, from Linux's /proc."""

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU seconds that processes have taken so far, threads included, by name."""
    found = {}
    for name, pid in pids.items():
        # The second field, the program's name, may hold anything; what follows it does not.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found[name] = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return found


def rss_mb(pids: Mapping[str, int]) -> float:
    """Return the resident memory of processes together, in MB."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids.values())
    return round(pages * _PAGE_MB, 1)


def pin(pid: int, cores: Collection[int]) -> None:
    """Have every thread of a process run on ``cores`` alone."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # a thread that has just ended
            os.sched_setaffinity(int(task.name), cores)
