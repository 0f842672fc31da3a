"""What the consumer on kafka-python does while its group deals out partitions."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from streaming.brokers.kafka_python.consumer import KafkaConsumer


@pytest.mark.parametrize(
    ("is_joining", "knows", "reminded"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_a_join_that_the_client_has_forgotten_is_finished(is_joining: bool, knows: bool, reminded: bool) -> None:
    coordinator = Mock(rebalance_in_progress=lambda: is_joining, need_rejoin=lambda: knows)
    client = SimpleNamespace(poll=lambda **_: {}, subscribe=lambda *_, **__: None, _coordinator=coordinator)
    consumer = KafkaConsumer(client, ["topic"], "host:9092", 1_000)
    assert consumer.poll(0.01, 10) == []
    assert coordinator.request_rejoin.called == reminded
