"""The store of scalars gives back what was written, so that its times are those of real reads."""

import numpy as np
import pytest

from features.catalogue import column
from features.replay import replay
from features.stores.feast_store import open_feast
from streaming.simulator import Scenario, simulate


@pytest.fixture
def scalars(tmp_path):
    open_feast(tmp_path / "packed").close()  # imports Feast without what that does to the process
    from services.benchmarks.feast_scalars import SCALARS, ScalarStore  # noqa: PLC0415

    return SCALARS, ScalarStore(tmp_path, list(SCALARS))


def test_scalars_are_read_as_they_were_written(scalars):
    names, store = scalars
    table = simulate(Scenario(transactions=500)).transactions
    features = replay(table).features
    rows, values = table[-8:], features[-8:]
    store.write(store.frames(rows, values))
    answer = store.read(rows).to_dict()
    last = ~rows["card_id"].duplicated(keep="last").to_numpy()
    assert len(names["card"]) > 60
    for name in names["card"]:
        found = np.array(answer[name], dtype=float)
        np.testing.assert_array_equal(found[last], values[last, column(name)], err_msg=name)
