from datetime import UTC, datetime, timedelta, timezone

import pytest

from features.errors import ConfigurationError
from streaming.simulator import CampaignMix, LabelDelay, Scenario


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("transactions", 0),
        ("transactions", -5),
        ("transactions", 1.5),
        ("transactions", True),
        ("transactions", 10**12),
        ("seed", -1),
        ("fraud_rate", -0.001),
        ("fraud_rate", 0.9),
        ("fraud_rate", float("nan")),
        ("start", datetime(2025, 1, 1)),  # noqa: DTZ001  # naive on purpose
        ("start", datetime(2025, 1, 1, tzinfo=timezone(timedelta(hours=2)))),
        ("start", "2025-01-01"),
        ("days", 0),
        ("days", float("inf")),
        ("customers", 3),
        ("merchants", 5),
        ("currency", "euro"),
        ("friendly_share", 2.0),
        ("unreported_share", -0.1),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(field: str, value: object) -> None:
    values = {"transactions": 1000} | {field: value}
    with pytest.raises(ConfigurationError, match=field) as caught:
        Scenario(**values)
    assert caught.value.remedy


def test_label_delays_and_campaign_weights_are_checked() -> None:
    with pytest.raises(ConfigurationError, match=r"label_delay\.chargeback_median_days"):
        LabelDelay(chargeback_median_days=0)
    with pytest.raises(ConfigurationError, match=r"label_delay\.max_days"):
        LabelDelay(max_days=2)
    with pytest.raises(ConfigurationError, match=r"campaigns\.mule_ring"):
        CampaignMix(mule_ring=-1)
    with pytest.raises(ConfigurationError, match="every campaign weight is 0"):
        CampaignMix(**dict.fromkeys(CampaignMix().weights(), 0.0))


def test_sizes_are_derived_or_taken() -> None:
    derived = Scenario(transactions=200_000)
    per_day = derived.transactions / derived.horizon_days / derived.customer_count
    assert 0.5 < per_day < 0.7
    given = Scenario(transactions=200_000, days=10, customers=500, merchants=90, start=datetime(2024, 5, 1, tzinfo=UTC))
    assert (given.horizon_days, given.customer_count, given.merchant_count) == (10, 500, 90)
