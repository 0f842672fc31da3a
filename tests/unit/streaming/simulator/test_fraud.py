import pytest

from streaming.simulator import CampaignMix
from streaming.simulator.fraud import CAMPAIGNS, apportion


@pytest.mark.parametrize("total", [0, 1, 7, 100, 12_345])
def test_parts_add_up_and_follow_the_weights(total: int) -> None:
    parts = apportion(total, {"a": 3.0, "b": 1.0, "c": 0.0})
    assert sum(parts.values()) == total
    assert abs(parts["a"] - 0.75 * total) < 1
    assert parts["c"] == 0


def test_every_kind_in_the_mix_has_a_campaign() -> None:
    assert list(CampaignMix().weights()) == list(CAMPAIGNS)
