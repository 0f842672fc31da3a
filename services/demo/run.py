"""The demo from beginning to end."""

import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from signal import SIGTERM, default_int_handler, signal
from threading import Event, Thread
from time import monotonic, perf_counter, sleep

import pandas as pd

from features.engine import FeatureEngine
from features.errors import BrokerUnavailable, ConfigurationError
from services.auth import load_or_create_token
from services.cli.output import err, print_json, progress, steps
from services.composition import Root
from services.connections import KAFKA_SECURITY, kafka_security
from services.demo.farewell import say_hints, summary_panel
from services.demo.offline import compare
from services.demo.prepare import is_prepared, prepare
from services.demo.source import Source, from_file, simulated
from services.demo.stream import labels_between, messages, waiting_labels
from services.demo.tally import Tally
from services.demo.traffic import Reader, send
from services.demo.view import View
from services.settings import Settings
from services.state_directory import StateDirectory, open_state
from services.system import System
from streaming.broker import TOPICS, Cluster
from streaming.brokers.apache import start_apache_kafka
from streaming.brokers.clients import cheapest, connect
from streaming.brokers.tansu import start_tansu
from streaming.ledger import LedgerBatch

TRANSACTIONS = 20_000
RATE = 300.0
BROKEN = 5
# Payments due within so many milliseconds travel together; the wait counts as latency. For every fetch that finds
# something the embedded broker looks through all batches of a topic: the fewer there are, the faster it stays.
LINGER_MS = 30
JOIN_S = 60.0
QUIET_S = 30.0  # without a decision for so long, what is in flight counts as lost


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for; None leaves the choice to the demo."""

    transactions: int | None
    rate: float | None
    data: Path | None
    mapping: str
    split: pd.Timestamp | None
    broker: str
    seed: int
    state: Path | None
    exit: bool
    as_json: bool


def run_demo(options: Options) -> None:
    """Prepare what is missing, start the system, stream, sum up and, unless told to exit, stay up."""
    started = perf_counter()
    signal(SIGTERM, default_int_handler)  # end as on Ctrl-C: every process started here is stopped
    settings = Settings()
    state = open_state(options.state or settings.state)
    token, created = load_or_create_token(state.token)
    root = Root(settings, state)
    directory = state.path / "demo"
    source = _source(options, directory)
    if is_prepared(directory, source):
        err.print(f"Resuming with the model and the feature states in {state.path}.")
    else:
        _prepare(root, directory, source)
    stream = _undecided(root, source, options)
    labels = _labels(root, source, stream)
    with ExitStack() as stack:
        bootstrap = stack.enter_context(_broker(options, settings, state))
        security = kafka_security(settings) if options.broker == "external" else None
        broker = connect(bootstrap, cheapest(), security=security, linger_ms=LINGER_MS)
        stack.callback(broker.close)
        broker.ensure_topics(dict.fromkeys(TOPICS, 1))
        environment = _environment(state, bootstrap, options)
        ports = {"worker": settings.worker_port, "score": settings.score_port, "explain": settings.explain_port}
        err.print("Starting the worker and the services …")
        FeatureEngine().warm_up()  # compiles once where the processes would each compile for themselves
        system = stack.enter_context(System(environment, state.logs, ports))
        if created:
            err.print(f"Bearer token of the services (kept in {state.token}): {token}")
        tally = Tally(fraud=dict(zip(stream["transaction_id"], stream["is_fraud"] == 1, strict=True)), started=started)
        gc.collect()
        gc.freeze()  # a pass over the history's objects would stop the reader and look like latency
        _stream(broker, system, stream, labels, tally, options)
        result = tally.summary() | compare(source, root, tally)
        err.print(summary_panel(result))
        if options.as_json:
            print_json(result)
        if not options.exit:
            say_hints(err, system, state, bootstrap, stream, tally)
            _wait(system)


def _source(options: Options, directory: Path) -> Source:
    if options.data is None or options.split is None:
        with progress("simulating payments") as tell:
            return simulated(directory, options.transactions or TRANSACTIONS, options.seed, tell)
    directory.mkdir(parents=True, exist_ok=True)
    with progress(f"reading {options.data.name}") as tell:
        source, rejected = from_file(options.data, options.mapping, options.split, directory / "rejects.jsonl", tell)
    if rejected:
        err.print(f"{rejected:,} rows could not be mapped; see {directory / 'rejects.jsonl'}.")
    return source


def _prepare(root: Root, directory: Path, source: Source) -> None:
    with steps() as bars:
        fold, fit, load = map(bars.step, ("computing features of the history", "training", "loading the feature store"))
        prepare(root, directory, source, fold, lambda _stage, share: fit(round(share * 100), 100), load)


def _undecided(root: Root, source: Source, options: Options) -> pd.DataFrame:
    """Return the next transactions to stream: those that no earlier run decided."""
    ledger = root.ledger()
    ids = source.future["transaction_id"].tolist()
    decided = set(ledger.find(ids)) if ledger.count() else set()
    ledger.close()
    rest = source.future[~source.future["transaction_id"].isin(decided)].reset_index(drop=True)
    if rest.empty:
        raise ConfigurationError(
            f"All {len(decided):,} transactions of {source.name} after the split have been decided in this state.",
            remedy="Start over with another --state directory.",
        )
    if decided:
        err.print(f"{len(decided):,} transactions were decided by earlier runs; going on from there.")
    limit = options.transactions or (TRANSACTIONS if options.data is None else len(rest))
    return rest.head(limit - BROKEN) if options.data is None and limit > BROKEN else rest.head(limit)


def _labels(root: Root, source: Source, stream: pd.DataFrame) -> pd.DataFrame:
    """Return the labels that go with ``stream``; those known when it begins are put into the ledger right away."""
    first, last = stream["event_time"].iloc[0], stream["event_time"].iloc[-1]
    labels = labels_between(source.table, source.history["event_time"].iloc[-1], last)
    ledger = root.ledger()
    # What an earlier run sent is recorded already, and ignored here.
    ledger.commit(LedgerBatch(labels=waiting_labels(labels, first)))
    ledger.close()
    return labels


@contextmanager
def _broker(options: Options, settings: Settings, state: StateDirectory) -> Iterator[str]:
    """Start the chosen broker, leave its address in the state directory for other commands, and stop it."""
    if options.broker == "external":
        if not settings.kafka_bootstrap:
            raise ConfigurationError("--broker external needs KAFKA_BOOTSTRAP.", remedy="Set it to host:port.")
        yield settings.kafka_bootstrap
        return
    if options.broker == "kafka":
        if settings.kafka_home is None:
            raise ConfigurationError(
                "--broker kafka needs KAFKA_HOME.", remedy="Point it at an unpacked Apache Kafka 4.x download."
            )
        running = start_apache_kafka(settings.kafka_home, state.path / "kafka")
    else:
        running = start_tansu(state.path / "tansu")
    address = state.bootstrap
    try:
        address.write_text(running.bootstrap)
        yield running.bootstrap
    finally:
        address.unlink(missing_ok=True)
        running.stop()


def _environment(state: StateDirectory, bootstrap: str, options: Options) -> dict[str, str]:
    environment = {
        "RINGFENCE_STATE": str(state.path),
        "KAFKA_BOOTSTRAP": bootstrap,
        "RINGFENCE_ALLOW_PAST_AND_FUTURE": "true",
        # One worker on one partition sees payments in exactly the order of the file, so that the stream can be held
        # against an offline evaluation score by score.
        "RINGFENCE_PARTITIONS": "1",
        "RINGFENCE_KAFKA_CLIENT": cheapest(),
    }
    # The services answer to the token of the state directory, and a broker of the demo's own takes plain connections.
    environment |= dict.fromkeys(("RINGFENCE_TOKEN", "RINGFENCE_TOKEN_FILE"), "")
    if options.broker != "external":
        environment |= dict.fromkeys(KAFKA_SECURITY, "")
    if options.data is not None and options.rate is None:
        # As fast as the pipeline takes it, nobody waits for a reply: large micro-batches, patient reads.
        environment |= {"RINGFENCE_BATCH": "256", "RINGFENCE_STORE_TIMEOUT_MS": "5000"}
    return environment


def _stream(
    broker: Cluster, system: System, stream: pd.DataFrame, labels: pd.DataFrame, tally: Tally, options: Options
) -> None:
    """Send the stream and draw it until everything came back, or nothing has for `QUIET_S`."""
    simulation = options.data is None
    rate = options.rate or (RATE if simulation else None)
    broken = BROKEN if simulation and len(stream) > BROKEN else 0
    reader = Reader(broker, tally, f"demo-{token_hex(4)}")
    reader.start()
    if not reader.ready.wait(JOIN_S):
        raise BrokerUnavailable(f"The broker gave no partitions within {JOIN_S:.0f} s.", remedy="See its log.")
    stop = Event()
    failures: list[Exception] = []

    def work() -> None:
        try:
            send(broker, messages(stream, labels, broken=broken), tally, rate, stop.is_set)
        except BrokerUnavailable as error:
            failures.append(error)

    sender = Thread(target=work, name="sender", daemon=True)
    view = View(err, tally, len(stream) + broken)
    try:
        with view.running():
            sender.start()
            progressed, seen = monotonic(), -1
            while sender.is_alive() or tally.in_flight:
                system.check()
                if failures:
                    raise failures[0]
                if tally.in_flight != seen:
                    progressed, seen = monotonic(), tally.in_flight
                elif not sender.is_alive() and monotonic() - progressed > QUIET_S:
                    break
                view.refresh()
                sleep(0.1)
    finally:
        stop.set()
        sender.join(10)
        reader.stop()


def _wait(system: System) -> None:
    """Stay up until Ctrl-C, or until a process ends."""
    try:
        while True:
            system.check()
            sleep(0.5)
    except KeyboardInterrupt:
        err.print("Stopping …")
