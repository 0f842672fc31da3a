import numpy as np
import pytest

from tests.arrays import same_bits

NAN = np.float32("nan")
OTHER_NAN = np.array([0x7FC00001], np.uint32).view(np.float32)[0]  # the same to `isnan`


def test_equal_arrays_are_the_same_however_they_lie_in_memory():
    table = np.array([[1.5, NAN, -0.0], [2.5, np.inf, 0.0]], np.float32)
    assert same_bits(table, table.copy())
    assert same_bits(table, np.asfortranarray(table))
    assert same_bits(table[:, ::2], table[:, ::2].copy())
    assert same_bits(table[:0], table[:0])
    assert same_bits(table[0, 1], NAN)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1.0], [1.0 + 2**-23]),
        ([0.0], [-0.0]),
        ([NAN], [OTHER_NAN]),
        ([1.0, 2.0], [1.0]),
        ([[1.0, 2.0]], [[1.0], [2.0]]),
        ([], [[]]),
    ],
)
def test_any_difference_counts(one, other):
    one, other = np.array(one, np.float32), np.array(other, np.float32)
    assert not same_bits(one, other)
    assert not same_bits(other, one)


def test_a_difference_of_type_counts():
    assert not same_bits(np.zeros(2, np.float32), np.zeros(2, np.int32))
    assert not same_bits(np.zeros(2, np.float32), np.zeros(2, np.float64))
