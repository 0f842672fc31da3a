"""Commands that run something: the worker, the services, scoring from standard input, sending to the topic."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer

from features.codec import MAX_MESSAGE_BYTES, decode_transaction
from features.errors import InvalidInput
from features.events import TransactionEvent
from services.cli.options import STATE
from services.cli.output import err
from services.composition import Root
from services.settings import Gnn, Settings
from services.state_directory import open_state
from streaming.broker import TRANSACTIONS

_encode = msgspec.json.Encoder().encode
EXIT_REFUSED = 1
GNN = Annotated[
    Gnn | None,
    typer.Option("--gnn", help="Ring scores by stored embeddings or sampled live; RINGFENCE_GNN or stored if absent."),
]


def worker(state: STATE = None, gnn: GNN = None) -> None:
    """Score the transactions topic until SIGTERM."""
    from services.processes import run_worker  # noqa: PLC0415 imports Feast

    run_worker(_root(state, gnn))


def serve_score(state: STATE = None, gnn: GNN = None) -> None:
    """Serve POST /v1/score."""
    from services.processes import run_score_service  # noqa: PLC0415 imports Feast

    run_score_service(_root(state, gnn))


def serve_explain(state: STATE = None) -> None:
    """Serve POST /v1/explain."""
    from services.processes import run_explain_service  # noqa: PLC0415 imports Feast

    run_explain_service(_root(state))


def serve_rings(state: STATE = None) -> None:
    """Serve GET /v1/rings."""
    from services.processes import run_rings_service  # noqa: PLC0415 imports Feast

    run_rings_service(_root(state))


def score(
    state: STATE = None,
    features: Annotated[bool, typer.Option("--features", help="Print the feature vector of each as well.")] = False,
    gnn: GNN = None,
) -> None:
    """Score JSON lines from standard input against the present state; nothing is recorded.

    Prints one decision a line; a line that cannot be scored prints its error instead, and the exit status is 1.
    """
    from services.rings.watch import RingWatch  # noqa: PLC0415 imports pandas

    root = _root(state, gnn)
    scoring = root.scoring()
    scoring.warm_up()
    RingWatch(root.state, scoring.rings).look()
    refused = 0
    for number, line in _lines(sys.stdin.buffer):
        try:
            event = TransactionEvent(1 << 62, decode_transaction(line))
        except InvalidInput as error:
            refused += 1
            problem = {"line": number, "error": error.code, "field": error.field, "message": str(error)}
            sys.stdout.write(_encode(problem).decode() + "\n")
            continue
        decision = scoring.decide([event]).decisions[0]
        if not features:
            decision = msgspec.structs.replace(decision, features={})
        sys.stdout.write(_encode(decision).decode() + "\n")
    scoring.close()
    if refused:
        raise typer.Exit(EXIT_REFUSED)


def send(state: STATE = None) -> None:
    """Send each line of standard input to the transactions topic, as it is: for trying things out."""
    root = _root(state)
    broker = root.broker()
    producer = broker.producer()
    sent = 0
    for _, line in _lines(sys.stdin.buffer):
        producer.send(TRANSACTIONS, line, key=_card(line))
        sent += 1
    producer.close()
    broker.close()
    err.print(f"{sent:,} sent to {TRANSACTIONS}.")


def _root(state: Path | None, gnn: Gnn | None = None) -> Root:
    settings = Settings(**({"gnn": gnn} if gnn else {}))
    return Root(settings, open_state(state or settings.state))


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines without their ends; blank ones are skipped, huge ones come cut, for the codec to refuse."""
    number = 0
    while line := stream.readline(MAX_MESSAGE_BYTES * 4):
        number += 1
        if line.strip():
            yield number, line.rstrip(b"\r\n")


def _card(line: bytes) -> bytes | None:
    """Return the partition key of a transaction; anything that is none has none."""
    try:
        return decode_transaction(line).card_id.encode()
    except InvalidInput:
        return None
