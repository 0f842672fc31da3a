import numpy as np

from streaming.simulator.draws import RowChoice, geometric_index


def test_each_row_draws_by_its_own_weights() -> None:
    choice = RowChoice(np.array([[1.0, 0.0, 3.0], [0.0, 2.0, 0.0]]))
    rng = np.random.default_rng(0)
    first = choice.draw(rng, np.zeros(8000, dtype=np.int64))
    assert set(first) == {0, 2}
    assert abs((first == 2).mean() - 0.75) < 0.03
    assert set(choice.draw(rng, np.ones(100, dtype=np.int64))) == {1}


def test_geometric_indexes_decay() -> None:
    counts = np.bincount(geometric_index(np.random.default_rng(0), 20_000, 4, 0.5), minlength=4)
    assert len(counts) == 4
    assert abs(counts[1] / counts[0] - 0.5) < 0.05
