"""Any Kafka through confluent-kafka (librdkafka): the only package that imports it, installed by the extra ``fast``.

`broker` is the entry; `producer` and `consumer` wrap one client each; `settings` holds the options and the reasons for
them, `mapping` turns the client's errors into ours.
"""

from streaming.brokers.confluent.broker import ConfluentBroker

__all__ = ["ConfluentBroker"]
