"""Implementations of the broker's seam (`streaming.broker`) and launchers for brokers of one's own.

`memory` is the twin for tests, `kafka_python` and `confluent` speak to any Kafka; `tansu` and `apache` start a broker
as a child process for a trial or a test.
"""
