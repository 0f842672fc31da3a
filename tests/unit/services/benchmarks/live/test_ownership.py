"""A benchmark leaves servers alone that somebody else uses, and knows its own again."""

import pytest

from features.errors import ConfigurationError
from services.benchmarks.live.ownership import MARK, claim_broker, claim_ledger, claim_redis
from streaming.broker import TRANSACTIONS
from streaming.brokers.memory import MemoryBroker
from streaming.ledgers.memory import MemoryLedger
from tests.unit.streaming.test_direct import make, payment


class Keys:
    """As much of a Redis database as is asked for."""

    def __init__(self, **keys):
        self.keys = keys

    def exists(self, key):
        return key in self.keys

    def dbsize(self):
        return len(self.keys)

    def set(self, key, value):
        self.keys[key] = value


def test_an_empty_server_is_taken_and_is_ours_ever_after():
    broker, redis, ledger = MemoryBroker(), Keys(), MemoryLedger()
    for _ in range(2):
        claim_broker(broker)
        claim_redis(redis)
        claim_ledger(ledger)
        broker.ensure_topics({TRANSACTIONS: 1})
        redis.set("state", b"")
        make(ledger).score([payment(1)])
    assert MARK in broker.topics()


def test_what_is_in_use_is_refused_and_left_as_it_is():
    broker, redis, ledger = MemoryBroker(), Keys(card="state"), MemoryLedger()
    broker.ensure_topics({TRANSACTIONS: 1})
    make(ledger).score([payment(1)])
    for claim, server in ((claim_broker, broker), (claim_redis, redis), (claim_ledger, ledger)):
        with pytest.raises(ConfigurationError, match="no benchmark made them"):
            claim(server)
    assert list(broker.topics()) == [TRANSACTIONS]
    assert redis.keys == {"card": "state"}
    assert ledger.refs([MARK]) == {}
