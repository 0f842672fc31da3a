"""The live path is timed on known entities, in sequence."""

from features.replay import replay
from features.stores.memory import MemoryStore
from services.benchmarks.online import measure_online
from streaming.simulator import Scenario, simulate


class Watched(MemoryStore):
    """Counts the keys asked for and found, and keeps the times of writes."""

    asked = found = 0

    def __init__(self):
        super().__init__()
        self.times = []

    def read(self, keys):
        states = super().read(keys)
        if not any("-" in names for names in keys.values()):
            self.asked += sum(map(len, keys.values()))
            self.found += sum(map(len, states.values()))
        return states

    def write(self, states, as_of):
        self.times.append(as_of)
        super().write(states, as_of)


def test_every_state_is_known_and_time_goes_on():
    table = simulate(Scenario(transactions=300)).transactions
    store = Watched()
    store.write(replay(table).states, table["event_time"].iloc[-1].to_pydatetime())
    calls = []
    figures = measure_online(table, store, lambda done, total: calls.append((done, total)))
    assert store.asked == store.found > 0
    assert store.times == sorted(store.times)
    assert len(store.times) == 1 + 300 + 18 + 4
    for found in figures:
        assert list(found) == ["1", "16", "64"]
        assert all(set(one) == {"p50", "p99", "per_transaction"} for one in found.values())
