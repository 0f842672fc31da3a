"""Keeps a benchmark away from a system in use: servers that the settings name must be empty, or a benchmark's own."""

from redis import Redis

from features.errors import ConfigurationError
from streaming.broker import TOPICS, Cluster
from streaming.ledger import Ledger, TransactionRef

MARK = "ringfence-benchmark"  # a topic, a key and an imported transaction of this name say that they are ours


def claim_broker(broker: Cluster) -> None:
    """Mark a Kafka cluster; raises `ConfigurationError` where somebody else has the topics of Ringfence."""
    topics = broker.topics()
    if MARK in topics:
        return
    if taken := sorted(set(TOPICS) & topics.keys()):
        raise _in_use(f"The Kafka cluster of KAFKA_BOOTSTRAP has the topic {taken[0]}", "topics")
    broker.ensure_topics({MARK: 1})


def claim_redis(client: Redis) -> None:
    """Mark a Redis database; raises `ConfigurationError` where it holds anything else."""
    if client.exists(MARK):
        return
    if client.dbsize():
        raise _in_use("The Redis database of REDIS_URL holds keys", "keys")
    client.set(MARK, 1)


def claim_ledger(ledger: Ledger) -> None:
    """Mark a ledger; raises `ConfigurationError` where it holds decisions of a system."""
    if ledger.refs([MARK]):
        return
    if ledger.count():
        raise _in_use("The ledger of LEDGER_URL holds decisions", "decisions")
    ledger.import_history([TransactionRef(MARK, 0, card_id=MARK, merchant_id=MARK)])


def _in_use(what: str, things: str) -> ConfigurationError:
    return ConfigurationError(
        f"{what}, and no benchmark made them: it would be sent simulated payments.",
        remedy=f"Name a server without {things}, or none to have one started.",
    )
