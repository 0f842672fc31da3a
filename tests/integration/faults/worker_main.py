"""One process under test: the real worker (or score service) on real servers, with a model that needs no training.

Processes are forked from a server that has imported this module: Feast takes ten seconds to import, and a killed worker
is to be replaced at once. `Fault` makes a process strike itself down at an exact step; nothing else is special.
"""

import faulthandler
import os
import signal
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event as Flag
from threading import RLock, get_ident
from types import SimpleNamespace
from typing import Any

from sqlalchemy import event

from features.engine import FeatureEngine
from features.stores.feast_store import open_feast
from models.decision import Ring
from models.rings.touch import Touch
from monitoring.logs import configure_logging
from monitoring.metrics import Metrics
from services.processes import settle
from services.score_app import create_score_app
from services.serving import run as serve
from streaming.broker import LABELS, TRANSACTIONS
from streaming.brokers.confluent import ConfluentBroker
from streaming.brokers.kafka_python import KafkaBroker
from streaming.direct import DirectScoring
from streaming.handling import WorkerLimits
from streaming.ledgers.sql import open_ledger
from streaming.ring_stage import RingStage
from streaming.scoring import Scoring, utc_now
from streaming.worker import Worker
from tests.fakes import FakeBundle, fake_policy

SESSION_S = 3.0  # after which the group goes on without a dead member: 10 s as deployed
TELL = signal.SIGUSR1
TOKEN = "a-token-for-tests"


@dataclass(frozen=True)
class Fault:
    """The ``nth`` call of ``method`` of a ``part`` sends this process ``signal``, before it or ``after`` it.

    The part "database" has one method, "commit": the end of a transaction that has been written and is not committed.
    """

    part: str
    method: str
    after: bool
    nth: int = 1
    signal: int = signal.SIGKILL


@dataclass(frozen=True)
class Setup:
    """What a process is given; ``log`` is the file its output goes to."""

    bootstrap: str
    redis_url: str
    ledger_url: str
    directory: str
    log: str = os.devnull
    client: str = "kafka-python"
    group: str = "worker"
    fault: Fault | None = None
    clock_ahead_s: float = 0.0
    store_delay_s: float = 0.0
    ring_delay_s: float = 0.0
    store_timeout_s: float = 2.0  # a busy machine is no outage
    limits: WorkerLimits = field(default_factory=lambda: WorkerLimits(batch=16, commit_at_last_s=0.3))

    def clock(self) -> datetime:
        return utc_now() + timedelta(seconds=self.clock_ahead_s)


class Alone:
    """Passes calls on to ``target`` (a ledger), none of which is under way while ``lock`` is held elsewhere.

    A process that is frozen within a transaction on SQLite keeps every other from writing. Whichever thread freezes it,
    no other may be in a transaction just then.
    """

    def __init__(self, target: Any, lock: Any) -> None:
        self._target, self._lock = target, lock

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        if not callable(attribute):
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                return attribute(*args, **kwargs)

        return call


class Wired:
    """Passes everything on to ``target``, striking at the call that the fault names; to freeze, it holds ``lock``."""

    def __init__(self, target: Any, fault: Fault, lock: Any) -> None:
        self._target, self._fault, self._calls = target, fault, 0
        self._lock = lock if fault.signal == signal.SIGSTOP else nullcontext()

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        if name != self._fault.method:
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            self._calls += 1
            hit = self._calls == self._fault.nth
            if hit and not self._fault.after:
                self._strike()
            result = attribute(*args, **kwargs)
            if hit and self._fault.after:
                self._strike()
            return result

        return call

    def _strike(self) -> None:
        with self._lock:  # and while this thread takes the signal, not whichever is scheduled next
            signal.pthread_kill(get_ident(), self._fault.signal)


class Slow:
    """A feature store whose reads and writes take their time."""

    def __init__(self, target: Any, delay_s: float) -> None:
        self._target, self._delay_s = target, delay_s

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        if name not in ("read", "replace"):
            return attribute

        def call(*args: Any) -> Any:
            time.sleep(self._delay_s)
            return attribute(*args)

        return call


class SlowRings:
    """Rings that take their time, and that every payment touches."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s

    def touch(self, transactions: Any) -> Any:
        time.sleep(self._delay_s)
        return [Touch(Ring(ring_id="ring", ring_score=1.0), "RING_DEVICE")] * len(transactions)

    def is_stale(self, _: datetime) -> bool:
        return False


class _QuickKafka(KafkaBroker):
    def _client(self, kind: Any, options: Any) -> Any:
        sessions = {"session_timeout_ms": int(SESSION_S * 1000), "heartbeat_interval_ms": 300}
        return super()._client(kind, options | sessions if "session_timeout_ms" in options else options)


class _QuickConfluent(ConfluentBroker):
    def _client(self, kind: Any, options: Any) -> Any:
        sessions = {"session.timeout.ms": int(SESSION_S * 1000), "heartbeat.interval.ms": 300}
        return super()._client(kind, options | sessions if "session.timeout.ms" in options else options)


def _scoring(setup: Setup, wired: Any = lambda _part, target: target) -> Scoring:
    store: Any = open_feast(Path(setup.directory), redis_url=setup.redis_url)
    if setup.store_delay_s:
        store = Slow(store, setup.store_delay_s)
    scoring = Scoring(
        FeatureEngine(),
        wired("store", store),
        FakeBundle(),
        fake_policy(),
        rings=RingStage(SlowRings(setup.ring_delay_s) if setup.ring_delay_s else None),
        store_timeout_s=setup.store_timeout_s,
        clock=setup.clock,
    )
    scoring.warm_up()
    settle()
    return scoring


def _begin(service: str, setup: Setup) -> None:
    with Path(setup.log).open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    faulthandler.register(TELL, all_threads=True)  # a worker that hangs says where
    configure_logging(service)


def run_worker(setup: Setup) -> None:
    """Work until SIGTERM."""
    _begin("worker", setup)
    stop = Flag()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    fault, in_ledger = setup.fault, RLock()

    def wired(part: str, target: Any) -> Any:
        return Wired(target, fault, in_ledger) if fault and fault.part == part else target

    ledger = open_ledger(setup.ledger_url)
    if fault and fault.part == "database":
        last = Wired(SimpleNamespace(commit=lambda _: None), fault, in_ledger)
        event.listen(ledger._engine, "commit", last.commit)
    broker = (_QuickKafka if setup.client == "kafka-python" else _QuickConfluent)(setup.bootstrap)
    worker = Worker(
        open_consumer=lambda on_revoke: wired(
            "consumer", broker.consumer([TRANSACTIONS, LABELS], setup.group, on_revoke)
        ),
        open_producer=lambda: wired("producer", broker.producer()),
        ledger=wired("ledger", Alone(ledger, in_ledger)),
        scoring=_scoring(setup, wired),
        metrics=Metrics(),
        limits=setup.limits,
        clock=setup.clock,
    )
    worker.warm_up()
    worker.run(stop)
    worker.close()


def run_score_service(setup: Setup, port: int) -> None:
    """Serve scores until SIGTERM."""
    _begin("score", setup)
    scoring, ledger, metrics = _scoring(setup), open_ledger(setup.ledger_url), Metrics()
    app = create_score_app(DirectScoring(scoring, ledger, metrics=metrics), metrics, TOKEN, list, clock=setup.clock)
    serve(app, "127.0.0.1", port)
    scoring.close()
    ledger.close()
