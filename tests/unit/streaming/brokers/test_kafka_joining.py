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


@pytest.mark.parametrize(("told", "committed"), [("on_partitions_revoked", True), ("on_partitions_lost", False)])
def test_a_member_that_was_put_out_of_its_group_commits_nothing(told: str, committed: bool) -> None:
    """Others have its partitions and have come further: its last offsets would go back."""
    held = [SimpleNamespace(topic="topic", partition=0)]
    client = Mock(assignment=lambda: held)
    KafkaConsumer(client, ["topic"], "host:9092", 1_000, on_revoke=lambda: {("topic", 0): 7})
    listener = client.subscribe.call_args.kwargs["listener"]
    getattr(listener, told)(held)
    assert client.commit_async.called == committed
