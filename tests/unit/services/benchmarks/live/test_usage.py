"""CPU time and memory of processes, read where the kernel keeps them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.benchmarks.live.usage import cpu_s, pin, rss_mb

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


def test_cpu_time_and_memory_are_those_of_the_process():
    before = cpu_s({"me": os.getpid()})["me"]
    small = rss_mb({"me": os.getpid()})
    block = bytearray(os.urandom(1 << 16)) * 800  # 52 MB
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    assert cpu_s({"me": os.getpid()})["me"] - before >= 0.15
    assert rss_mb({"me": os.getpid()}) - small > 40
    assert len(block) > 0


def test_a_process_stays_on_its_cores():
    code = "import threading, time; threading.Thread(target=time.sleep, args=(30,)).start(); print(1, flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        child.stdout.read(1)
        core = min(os.sched_getaffinity(0))
        pin(child.pid, [core])
        tasks = [int(task.name) for task in Path(f"/proc/{child.pid}/task").iterdir()]
        assert len(tasks) == 2
        assert all(os.sched_getaffinity(task) == {core} for task in tasks)
        child.kill()
