"""The search for the highest rate that holds."""

import pytest

from services.benchmarks.live.limit import FINE, PROBES, find_limit


@pytest.mark.parametrize("limit", [130, 999, 1000, 1001, 2500, 7000])
def test_the_limit_lies_between_what_it_returns(limit):
    tried = []

    def holds(rate):
        tried.append(rate)
        return rate <= limit

    good, bad = find_limit(holds, 1000)
    assert good <= limit < bad
    assert len(tried) <= PROBES
    assert (bad - good) / bad <= FINE or len(tried) == PROBES


def test_it_gives_up_where_everything_or_nothing_holds():
    assert find_limit(lambda _: False, 1000) == (None, 1000 / 2 ** (PROBES - 1))
    assert find_limit(lambda _: True, 1000) == (1000 * 2 ** (PROBES - 1), None)
