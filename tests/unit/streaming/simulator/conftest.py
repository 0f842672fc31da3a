"""One simulation for all tests of this folder, with more fraud than natural so that small checks have power."""

import pytest

from streaming.simulator import Scenario, Simulation, simulate


@pytest.fixture(scope="session")
def simulation() -> Simulation:
    return simulate(Scenario(transactions=60_000, seed=11, fraud_rate=0.02))
