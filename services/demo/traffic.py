"""The two ends of the stream: a sender that keeps its own time, and a reader of decisions and dead letters."""

from collections import deque
from collections.abc import Callable, Iterable
from threading import Event, Thread
from time import perf_counter, sleep

import msgspec

from models.decision import Decision
from services.demo.stream import Message
from services.demo.tally import Tally
from streaming.broker import DEAD_LETTER, DECISIONS, LABELS, Broker, Producer

LABELS_TOGETHER = 64  # labels are far ahead of their time: few batches of many are cheaper than many of few
LAST_DECISIONS_S = 5.0  # how long the last labels wait for them
IN_FLIGHT = 1024  # without a rate, at most this many transactions are under way
_decode = msgspec.json.Decoder(Decision).decode


def send(
    broker: Broker, messages: Iterable[Message], tally: Tally, rate: float | None, stopped: Callable[[], bool]
) -> None:
    """Send transactions at ``rate`` a second whatever comes back (open loop), or as fast as they are taken.

    Latency counts from the moment a transaction was due, so a sender that falls behind cannot hide a slow pipeline.
    A label waits until its transaction has been decided.
    """
    producer = broker.producer()
    started = None  # set with the first transaction: making the messages ready is not the pipeline's time
    sent = 0
    labels: deque[Message] = deque()
    for message in messages:
        if stopped():
            break
        if message.topic == LABELS:
            labels.append(message)
            continue
        if len(labels) >= LABELS_TOGETHER:
            _put_decided(producer, labels, tally)
        if rate is None:
            while tally.in_flight >= IN_FLIGHT and not stopped():
                sleep(0.002)
            due = perf_counter()
        else:
            started = started or perf_counter()
            due = started + sent / rate
            sleep(max(0.0, due - perf_counter()))
        sent += 1
        tally.sent(message.transaction_id, due)
        _put(producer, message)
    # The last labels are due long after the last transactions, and should not get in their way.
    patience = perf_counter() + LAST_DECISIONS_S
    while tally.in_flight and not stopped() and perf_counter() < patience:
        sleep(0.01)
    _put_decided(producer, labels, tally)
    producer.close()


def _put_decided(producer: Producer, labels: deque[Message], tally: Tally) -> None:
    """Send the labels whose transactions are decided, up to the first whose is not."""
    while labels and tally.is_decided(labels[0].transaction_id):
        _put(producer, labels.popleft())


def _put(producer: Producer, message: Message) -> None:
    producer.send(message.topic, message.value, key=message.key)


class Reader(Thread):
    """Counts decisions and dead letters as they come out."""

    def __init__(self, broker: Broker, tally: Tally, group: str) -> None:
        super().__init__(name="decision-reader", daemon=True)
        self._consumer = broker.consumer([DECISIONS, DEAD_LETTER], group)
        self._tally = tally
        self._stop_reading = Event()
        self.ready = Event()

    def run(self) -> None:
        """Read until told to stop."""
        while not self._stop_reading.is_set():
            for record in self._consumer.poll(0.1, 500):
                if record.topic == DEAD_LETTER:
                    self._tally.dead()
                else:
                    self._tally.decided(_decode(record.value))
            if not self.ready.is_set() and self._consumer.lag():
                self.ready.set()
        self._consumer.close()

    def stop(self) -> None:
        """Stop reading and leave."""
        self._stop_reading.set()
        self.join(10)
