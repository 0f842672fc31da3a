"""The composition root: settings and a state directory in, ready-made collaborators out."""

from typing import TYPE_CHECKING

from features.embeddings import EmbeddingStore
from features.engine import FeatureEngine
from features.errors import ConfigurationError
from services.auth import given_token, load_or_create_token
from services.champion import served
from services.connections import kafka_security, ledger_url, redis_url
from services.extras import need_gnn
from services.settings import Settings
from services.state_directory import StateDirectory
from streaming.broker import DEAD_LETTER, DECISIONS, LABELS, TRANSACTIONS, Broker, Cluster
from streaming.brokers.clients import connect
from streaming.ledgers.sql import SqlLedger, open_ledger
from streaming.network_stage import NetworkStage, StoredScores
from streaming.scoring import Scoring

if TYPE_CHECKING:
    from features.stores.feast_store import FeastStore

WORKER_GROUP = "ringfence-worker"


class Root:
    """Builds each collaborator from the settings when it is asked for."""

    def __init__(self, settings: Settings, state: StateDirectory) -> None:
        self.settings = settings
        self.state = state

    def feature_store(self) -> "FeastStore":
        """Open Feast on Redis where a URL is set, on SQLite in the state directory otherwise."""
        # Feast takes seconds to import: only processes that open it pay for that.
        from features.stores.feast_store import open_feast  # noqa: PLC0415

        return open_feast(self.state.feature_store, redis_url=redis_url(self.settings))

    def embeddings(self) -> EmbeddingStore:
        """Open the embeddings of rings on Redis where a URL is set, on SQLite in the state directory otherwise."""
        from features.stores.embeddings import open_embeddings  # noqa: PLC0415 imports Feast

        return open_embeddings(self.state.embeddings, redis_url=redis_url(self.settings))

    def ledger(self) -> SqlLedger:
        """Open the ledger and bring its schema up to date."""
        return open_ledger(ledger_url(self.settings, self.state.ledger))

    def token(self) -> tuple[str, bool]:
        """Return the bearer token of the services, and whether it was made and kept just now."""
        if self.settings.token is not None:
            return given_token(self.settings.token.get_secret_value()), False
        return load_or_create_token(self.state.token)

    @property
    def bootstrap(self) -> str:
        """Address of the broker: the setting, or the one that a running demo has left; `ConfigurationError` if none."""
        if self.settings.kafka_bootstrap:
            return self.settings.kafka_bootstrap
        if self.state.bootstrap.exists():
            return self.state.bootstrap.read_text().strip()
        raise ConfigurationError(
            "KAFKA_BOOTSTRAP is not set and no demo is running on this state directory.",
            remedy="Set it to host:port of a Kafka broker.",
        )

    def broker(self) -> Cluster:
        """Connect to Kafka."""
        return connect(
            self.bootstrap,
            self.settings.kafka_client,
            security=kafka_security(self.settings) if self.settings.kafka_bootstrap else None,
            fetch_wait_ms=self.settings.fetch_wait_ms,
        )

    def topics(self, broker: Broker) -> None:
        """Create the topics that do not exist yet."""
        count = self.settings.partitions
        broker.ensure_topics({TRANSACTIONS: count, DECISIONS: count, LABELS: count, DEAD_LETTER: 1})

    def scoring(self) -> Scoring:
        """Load the champion and its policy over the feature store."""
        bundle, rules = served(self.state)
        timeout_s = self.settings.store_timeout_ms / 1000
        return Scoring(
            FeatureEngine(), self.feature_store(), bundle, rules, network=self.network(), store_timeout_s=timeout_s
        )

    def network(self) -> NetworkStage:
        """Return what asks for ring scores: of stored embeddings, or sampled live."""
        if self.settings.gnn == "stored":
            return NetworkStage(lambda: StoredScores(self.embeddings()))
        need_gnn()
        from services.rings.live import STALE_AFTER, TIMEOUT_S, LiveScores  # noqa: PLC0415 imports PyTorch

        return NetworkStage(
            lambda: LiveScores(
                self.state.ring_models,
                self.ledger(),
                device=self.settings.gnn_device,
                keep=self.settings.gnn_payments,
            ),
            TIMEOUT_S,
            STALE_AFTER,
        )
