"""The ring network's scores by message passing at the moment of a payment, over a graph that follows the ledger.

Importing this module imports PyTorch, which takes seconds and is no part of the plain installation.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from time import perf_counter

import structlog

from features.catalogue import NAMES
from features.errors import LedgerUnavailable
from features.events import LabelEvent
from features.transaction import Transaction
from models.rings.bundle import load_ring_bundle
from models.rings.graph import RingGraph
from models.rings.head import Head
from models.rings.live import LiveScorer
from models.rings.live_graph import LiveGraph
from models.rings.network import Encoder
from models.rings.scorer import ServedNetwork
from models.rings.training import choose_device, one_thread, restored_encoder
from models.scorer import Matrix, Vector
from services.ledger_history import events_since
from streaming.ledger import Ledger
from streaming.scoring import Clock, utc_now

log = structlog.get_logger(__name__)
TIMEOUT_S = 0.04  # of the 100 ms
STALE_AFTER = timedelta(minutes=10)  # without a look at the ledger
LOOK_EVERY_S = 2.0
REST = 20  # times as long as a look took: making graphs is to take a twentieth of a core at most


class LiveScores:
    """Samples two hops around each payment, on the CPU or a GPU; a `streaming.network_stage.ScoreSource`.

    A thread follows the ledger, which every worker writes, so that payments and labels of all of them are in the graph
    a few seconds later: the newest ``keep`` payments at least. Scores are as of the last look at the ledger. The first
    look is taken at once; raises `LedgerUnavailable` where it fails.
    """

    def __init__(
        self,
        ring_models: Path,
        ledger: Ledger,
        *,
        device: str = "auto",
        keep: int,
        clock: Clock = utc_now,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._ring_models = ring_models
        self._ledger = ledger
        self._device = choose_device(device)
        self._keep = keep
        self._clock = clock
        self._look_every_s = look_every_s
        self._growing = LiveGraph(keep)
        self._seen: dict[int, int] = {}
        self._labels: list[LabelEvent] = []  # of the last look, and of those that failed
        self._model: tuple[str, Encoder, Head] | None = None
        self._serving: tuple[RingGraph, datetime] | None = None
        self._serving = self._look()
        self._stop = Flag()
        self._thread = Thread(target=self._follow, name="live-network", daemon=True)
        self._thread.start()

    def warm_up(self, network: ServedNetwork) -> None:
        """Load the network."""
        self._model_of(network)

    def score(
        self, network: ServedNetwork, transactions: Sequence[Transaction], features: Matrix
    ) -> tuple[Vector, datetime] | None:
        """Return scores (n,), and as of when the ledger was last read (UTC); None while it is empty."""
        serving = self._serving  # the thread that follows the ledger may replace it
        if serving is None or not len(serving[0].time):
            return None
        graph, as_of = serving
        _, encoder, head = self._model_of(network)
        with one_thread():
            return LiveScorer(encoder, head, graph, NAMES).score(transactions, features, {}), as_of

    def close(self) -> None:
        """End the thread after the look in hand, and close the ledger."""
        self._stop.set()
        self._thread.join()
        self._ledger.close()

    def _model_of(self, network: ServedNetwork) -> tuple[str, Encoder, Head]:
        if self._model is None or self._model[0] != network.version:
            bundle = load_ring_bundle(self._ring_models / network.version)
            self._model = network.version, restored_encoder(bundle.encoder, self._device), bundle.head
        return self._model

    def _look(self) -> tuple[RingGraph, datetime]:
        now, before, waiting = self._clock(), len(self._growing), len(self._labels)
        for events in events_since(self._ledger, self._seen, most=self._keep):
            self._growing.take(event for event in events if not isinstance(event, LabelEvent))
            self._labels += [event for event in events if isinstance(event, LabelEvent)]
        if self._serving and len(self._growing) == before and not self._labels:
            return self._serving[0], now
        # Sources are read one after the other, so that a label may be seen one look before its payment.
        self._growing.take(self._labels)
        self._labels = self._labels[waiting:]
        return self._growing.graph(), now

    def _follow(self) -> None:
        pause = self._look_every_s
        while not self._stop.wait(pause):
            began = perf_counter()
            try:
                self._serving = self._look()
            except LedgerUnavailable as error:
                log.warning("the graph of payments stays as it is; trying again", error=str(error))
            except Exception:  # the thread must outlive whatever it meets; the graph in use grows old and says so
                log.exception("following the ledger failed; trying again")
            pause = max(self._look_every_s, REST * (perf_counter() - began))
