"""The measure of rings: what counts as found, and that the figures are those of the histories."""

import pytest

from models.rings.communities.finding import find_rings
from models.rings.communities.suspicion import RingSettings
from services.benchmarks import rings
from services.benchmarks.rings import benchmark_rings, matches, simulated
from tests.unit.models.rings.payments import AT, history, ring_payments


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ("abcde", True),
        ("abcdefghij", True),  # half of them
        ("abcdefghijk", False),
        ("abcdx", True),
        ("abcd", True),  # 80 % of what was found
        ("abc", False),
        ("", False),
    ],
)
def test_a_ring_is_found_by_half_of_its_members_and_four_right_ones_in_five(planted, found):
    ring = find_rings(history(*ring_payments("abcde")), AT)
    assert matches(ring, frozenset(planted)) is found


def test_figures_are_of_the_planted_rings():
    calls = []
    result = benchmark_rings(range(2), every_days=5, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(0, 2), (1, 2), (2, 2)]
    histories = [simulated(seed) for seed in range(2)]
    planted = [group for history in histories for group in history.campaigns if group.kind == "mule_ring"]
    assert result["planted"] == sum(group.people >= 3 for group in planted)
    assert result["rings_of_ten"] == sum(group.people >= 3 and len(group.times) >= 10 for group in planted)
    assert result["found"] == sum(result["found_by_kind"].values())
    assert 0.5 < result["recall"] <= 1
    assert 0.5 < result["precision"] <= 1


def test_what_finds_nothing_has_no_recall_and_is_never_in_time():
    blind = RingSettings(frauds=10_000)
    result = benchmark_rings([3], every_days=20, settings=blind, progress=lambda done, total: None)
    assert (result["recall"], result["found"], result["precision"]) == (0, 0, None)
    assert result["never_found"] == result["rings_of_ten"] > 0
    assert result["median_payments_until_found"] is None


def test_histories_differ_in_size_density_and_disguise():
    drawn = [simulated(seed).drawn for seed in range(12)]
    for what, names in (("size", rings.SIZES), ("density", rings.DENSITIES), ("disguise", rings.DISGUISES)):
        assert {each[what] for each in drawn} == set(names)
