"""Percentiles of timed calls, in microseconds."""

import math

import pytest

from services.benchmarks.timing import Timer, percentiles_us


def test_percentiles_are_in_microseconds_and_the_median_is_shared_by_the_batch():
    seconds = [index / 1e6 for index in range(101)]
    assert percentiles_us(seconds, 10) == {"p50": 50.0, "p99": 99.0, "per_transaction": 5.0}


def test_no_calls_have_no_percentiles():
    assert all(math.isnan(value) for value in percentiles_us([]).values())


def test_a_timer_collects_every_block_that_ends_well():
    timer = Timer()
    for _ in range(3):
        with timer:
            pass
    with pytest.raises(KeyError), timer:
        raise KeyError
    assert len(timer.seconds) == 3
    assert all(second >= 0 for second in timer.seconds)
