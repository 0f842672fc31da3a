"""Any Kafka through kafka-python: the only package that imports it.

`broker` is the entry; `producer` and `consumer` wrap one client each; `settings` holds the options and the reasons for
them, `mapping` turns the client's errors into ours.
"""

import warnings

with warnings.catch_warnings():
    # On import kafka-python 3.0.12 reads its schemas with importlib.resources.read_text, deprecated since Python 3.11.
    warnings.filterwarnings("ignore", message="(read|open)_text is deprecated", category=DeprecationWarning)
    from streaming.brokers.kafka_python.broker import KafkaBroker

__all__ = ["KafkaBroker"]
