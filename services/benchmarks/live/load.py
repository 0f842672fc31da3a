"""The load on the stream, a process of its own: sends payments when they are due, and reads the decisions."""

import gc
import sys
from pathlib import Path
from threading import Event, Thread
from time import perf_counter, sleep

import msgspec

from services.benchmarks.live.arrivals import Arrivals, Figures
from services.benchmarks.live.orders import PROGRESS_S, Command, Report, obey, say, tell
from services.benchmarks.live.payments import Payments, read_payments
from services.connections import kafka_security
from services.settings import Settings
from streaming.broker import Broker, Consumer
from streaming.brokers.clients import Client, connect

TICK_S = 0.004  # payments due within a tick are sent together, as producers do that linger; the wait counts as latency
QUIET_S = 10.0  # without a decision for so long, what is in flight counts as lost
POLL = 500


class Setup(msgspec.Struct, frozen=True):
    """What a load process is started with."""

    bootstrap: str
    client: Client
    payments: str
    run: str
    transactions: str
    decisions: str


class Decided(msgspec.Struct, frozen=True):
    """The part of a decision that is looked at."""

    transaction_id: str
    decision: str
    degraded: tuple[str, ...] = ()


class Reader(Thread):
    """Consumes decisions and enters them into ``arrivals``, the run going on."""

    def __init__(self, consumer: Consumer, payments: Payments) -> None:
        super().__init__(name="decision-reader", daemon=True)
        self._consumer = consumer
        self._payments = payments
        self._decode = msgspec.json.Decoder(Decided).decode
        self.arrivals: Arrivals | None = None
        self.first = 0
        self.ready = Event()

    def run(self) -> None:
        """Read until the process ends."""
        while True:
            records = self._consumer.poll(0.05, POLL)
            now = perf_counter()
            for record in records:
                decided = self._decode(record.value)
                number = self._payments.number(decided.transaction_id)
                if self.arrivals is not None and number is not None and number >= self.first:
                    self.arrivals.decision(number - self.first, decided.decision, bool(decided.degraded), now)
            if not records and not self.ready.is_set() and any(self._consumer.lag()):
                self.ready.set()


class Load:
    """Runs commands one after the other; payments are numbered through all of them."""

    def __init__(self, broker: Broker, setup: Setup) -> None:
        self._payments = read_payments(Path(setup.payments), f"{setup.run}-")
        self._producer = broker.producer()
        self._topic = setup.transactions
        self._sent = 0
        self._reader = Reader(broker.consumer([setup.decisions], f"{setup.run}-reader"), self._payments)
        self._reader.start()
        self._reader.ready.wait()
        gc.collect()
        gc.freeze()  # a pass over all payments would stop the sender and look like latency

    def run(self, command: Command) -> Figures:
        """Send what ``command`` says and return what came of it."""
        arrivals = command.arrivals(perf_counter() + 0.05)
        self._reader.first, self._reader.arrivals = self._sent, arrivals
        told = 0.0
        for number, due in enumerate(arrivals.due.tolist()):
            key, value = self._payments[self._sent]
            now = perf_counter()
            if due > now:
                sleep(max(due - now, TICK_S))
                now = perf_counter()
            if number == arrivals.warm_up:
                say(Report("measuring"))
            self._producer.send(self._topic, value, key=key)
            self._sent += 1
            arrivals.was_sent(now - due)
            if now - told > PROGRESS_S:
                told = now
                tell(arrivals)
        self._producer.flush()
        seen, since = arrivals.decided, perf_counter()
        while arrivals.in_flight and perf_counter() - since < QUIET_S:
            sleep(0.05)
            if arrivals.decided != seen:
                seen, since = arrivals.decided, perf_counter()
                tell(arrivals)
        self._reader.arrivals = None
        return arrivals.figures()


def main() -> None:
    """Set up by the first argument, then obey standard input until it ends."""
    setup = msgspec.json.decode(sys.argv[1], type=Setup)
    broker = connect(setup.bootstrap, setup.client, security=kafka_security(Settings()))
    obey(Load(broker, setup).run)


if __name__ == "__main__":
    main()
