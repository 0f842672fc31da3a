"""The long-running processes: the stream worker and the REST services, each opened, warmed up, run and drained."""

import gc
import signal
from threading import Event as Flag

import structlog

from features.errors import BundleError
from models.bundle import Bundle
from monitoring.exposition import serve_operations
from monitoring.logs import configure_logging
from monitoring.metrics import Metrics
from services.champion import bundle_of
from services.composition import WORKER_GROUP, Root
from services.explain_app import create_explain_app
from services.model_watch import ModelWatch
from services.rings.app import create_rings_app
from services.rings.book import RingBook
from services.rings.watch import RingWatch
from services.score_app import create_score_app
from services.serving import run
from services.settings import Settings
from streaming.broker import LABELS, TRANSACTIONS
from streaming.direct import DirectScoring
from streaming.explaining import Explaining
from streaming.forwarder import Forwarder
from streaming.handling import WorkerLimits
from streaming.scoring import Scoring
from streaming.worker import Worker

log = structlog.get_logger(__name__)


def run_worker(root: Root) -> None:
    """Consume transactions and labels until SIGTERM or Ctrl-C, then finish the micro-batch in hand."""
    stop = Flag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings, metrics, token = _begin(root, "worker")
    waiting = ["warming up"]
    operations = serve_operations(
        metrics.registry,
        token=token,
        live=list,
        ready=lambda: waiting,
        host=settings.host,
        port=settings.worker_port,
    )
    broker, scoring = root.broker(), _warm(root)
    root.topics(broker)
    worker = Worker(
        open_consumer=lambda on_revoke: broker.consumer([TRANSACTIONS, LABELS], WORKER_GROUP, on_revoke),
        open_producer=broker.producer,
        ledger=root.ledger(),
        scoring=scoring,
        metrics=metrics,
        limits=WorkerLimits(
            batch=settings.micro_batch,
            wait_s=settings.batch_wait_ms / 1000,
            refuse_future=not settings.allow_past_and_future,
        ),
    )
    worker.warm_up()
    waiting[:] = ["waiting for partitions"]
    while not stop.is_set() and not worker.has_joined:
        worker.step()
    waiting.clear()
    with ModelWatch(root.state, scoring, metrics), RingWatch(root.state, scoring.rings):
        metrics.ready(True)
        log.info("working", bootstrap=root.bootstrap, port=operations.port)
        worker.run(stop)
        metrics.ready(False)
    worker.close()
    broker.close()
    operations.close()
    log.info("stopped")


def run_score_service(root: Root) -> None:
    """Serve scores until SIGTERM; what was decided is handed to the worker, or kept in the ledger until it can be."""
    settings, metrics, token = _begin(root, "score")
    scoring, ledger, broker = _warm(root), root.ledger(), root.broker()
    root.topics(broker)
    forwarder = Forwarder(ledger, broker.producer)
    forwarder.start()
    metrics.ready(True)
    app = create_score_app(
        DirectScoring(scoring, ledger, metrics=metrics, on_recorded=forwarder.wake),
        metrics,
        token,
        list,
        refuse_future=not settings.allow_past_and_future,
    )
    with ModelWatch(root.state, scoring, metrics), RingWatch(root.state, scoring.rings):
        run(app, settings.host, settings.score_port)
    forwarder.close()
    scoring.close()
    ledger.close()
    broker.close()


def run_explain_service(root: Root) -> None:
    """Serve explanations until SIGTERM."""
    settings, metrics, token = _begin(root, "explain")
    scoring, ledger = _warm(root), root.ledger()

    def bundle_for(version: str) -> Bundle | None:
        try:
            return bundle_of(root.state, version)
        except BundleError:
            return None

    metrics.ready(True)
    app = create_explain_app(
        Explaining(scoring, ledger, bundle_for=bundle_for),
        metrics,
        token,
        list,
        refuse_future=not settings.allow_past_and_future,
    )
    with ModelWatch(root.state, scoring, metrics), RingWatch(root.state, scoring.rings):
        run(app, settings.host, settings.explain_port)
    scoring.close()
    ledger.close()


def run_rings_service(root: Root) -> None:
    """Serve fraud rings from the snapshots in the state directory until SIGTERM."""
    settings, metrics, token = _begin(root, "rings")
    metrics.ready(True)
    run(create_rings_app(RingBook(root.state.rings), metrics, token, list), settings.host, settings.rings_port)


def run_ring_refresh(root: Root, *, find_hours: float, embed_hours: float, device: str) -> None:
    """Keep fraud rings and embeddings up to date until SIGTERM or Ctrl-C, then finish what is in hand."""
    from services.rings.refresh import by_the_clock, embed_job, find_job  # noqa: PLC0415 imports pandas

    stop = Flag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings, metrics, token = _begin(root, "ring-refresh")
    jobs = [find_job(root, find_hours), embed_job(root, embed_hours, device)]
    operations = serve_operations(
        metrics.registry, token=token, live=list, ready=list, host=settings.host, port=settings.refresh_port
    )
    log.info("refreshing", port=operations.port)
    by_the_clock(jobs, metrics, stop)
    operations.close()
    log.info("stopped")


def _begin(root: Root, service: str) -> tuple[Settings, Metrics, str]:
    configure_logging(service, level=root.settings.log_level.upper())
    token, created = root.token()
    if created:
        log.info("new bearer token", file=str(root.state.token))
    return root.settings, Metrics(), token


def _warm(root: Root) -> Scoring:
    scoring = root.scoring()
    scoring.warm_up()
    settle()
    return scoring


def settle() -> None:
    """Take everything loaded so far out of the garbage collector's sight: looking through it all stops the world."""
    gc.collect()
    gc.freeze()
