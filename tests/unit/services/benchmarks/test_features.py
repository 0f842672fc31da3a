"""The sizes of states that the benchmark reports."""

from services.benchmarks.features import state_bytes


def test_state_bytes_are_summed_up_by_entity():
    states = {"card": {str(size): b"x" * size for size in range(101)}, "ip": {"a": b"x" * (1 << 20)}}
    assert state_bytes(states) == {
        "card": {"states": 101, "mean": 50, "p50": 50, "p99": 99, "max": 100},
        "ip": {"states": 1, "mean": 1 << 20, "p50": 1 << 20, "p99": 1 << 20, "max": 1 << 20},
        "total_mib": 1.0,
    }
