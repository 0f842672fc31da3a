"""What to simulate: sizes, dates, prevalence, label delays and the mix of fraud campaigns, validated."""

import math
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta

from features.errors import ConfigurationError
from streaming.simulator.ring_shape import RingShape

MAX_TRANSACTIONS = 50_000_000
MAX_DAYS = 3_660
MAX_FRAUD_RATE = 0.2
MIN_CUSTOMERS = 10
MIN_MERCHANTS = 40


def _require(ok: bool, what: str, remedy: str) -> None:
    """Raise `ConfigurationError` unless ``ok``."""
    if not ok:
        raise ConfigurationError(f"The scenario cannot be simulated: {what}.", remedy=remedy)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelDelay:
    """When labels become known, counted from the event time.

    A fraud is found by an analyst (share ``analyst_share``, log-normal around ``analyst_median_days``) or by a
    chargeback (log-normal around ``chargeback_median_days`` with shape ``sigma``); neither later than ``max_days``.
    An honest transaction is never confirmed by anybody: its label time is the event time plus ``honest_after_days``,
    the delay after which an unlabelled transaction counts as honest.
    """

    honest_after_days: float = 7.0
    analyst_share: float = 0.35
    analyst_median_days: float = 0.3
    chargeback_median_days: float = 6.0
    sigma: float = 0.8
    max_days: float = 60.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            ok = _is_number(value) and (value > 0 or (item.name == "analyst_share" and value == 0))
            _require(ok, f"label_delay.{item.name} is {value!r}", "Give a positive number.")
        _require(
            self.analyst_share <= 1, f"label_delay.analyst_share is {self.analyst_share}", "Give a share of 0 to 1."
        )
        _require(self.sigma <= 3, f"label_delay.sigma is {self.sigma}", "Give a log-normal shape of at most 3.")
        _require(
            max(self.analyst_median_days, self.chargeback_median_days, self.honest_after_days) <= self.max_days <= 365,
            f"label_delay.max_days is {self.max_days}",
            "Give at most 365 days, and at least the medians and honest_after_days.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignMix:
    """Relative weights of the fraud campaigns, by number of transactions; 0 leaves a kind out."""

    card_testing: float = 0.17
    stolen_card: float = 0.16
    account_takeover: float = 0.16
    compromised_merchant: float = 0.18
    mule_ring: float = 0.14
    slow_drip: float = 0.10
    threshold_probing: float = 0.09

    def __post_init__(self) -> None:
        for kind, weight in self.weights().items():
            _require(
                _is_number(weight) and weight >= 0, f"campaigns.{kind} is {weight!r}", "Give a weight of 0 or more."
            )
        _require(sum(self.weights().values()) > 0, "every campaign weight is 0", "Give at least one kind a weight.")

    def weights(self) -> dict[str, float]:
        """Return the weight by kind of campaign, in a fixed order."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One simulation, fully determined by its values: the same scenario gives the same bytes.

    ``transactions`` is exact; ``fraud_rate`` is the share of transactions labelled as fraud (rounded to whole
    transactions). ``days``, ``customers`` and ``merchants`` are derived from ``transactions`` when None. Of the
    labelled fraud, ``friendly_share`` are honest purchases that their buyers disputed; of the campaigns' transactions,
    ``unreported_share`` are never noticed and stay labelled as honest. Raises `ConfigurationError` when a value cannot
    work.
    """

    transactions: int
    seed: int = 0
    start: datetime = datetime(2025, 1, 1, tzinfo=UTC)
    days: float | None = None
    customers: int | None = None
    merchants: int | None = None
    fraud_rate: float = 0.003
    currency: str = "EUR"
    label_delay: LabelDelay = field(default_factory=LabelDelay)
    campaigns: CampaignMix = field(default_factory=CampaignMix)
    rings: RingShape = field(default_factory=RingShape)
    friendly_share: float = 0.05
    unreported_share: float = 0.04

    def __post_init__(self) -> None:
        self._check_size()
        self._check_time()
        self._check_rates()

    @property
    def horizon_days(self) -> float:
        """Length in days; derived so that history grows slower than the number of transactions."""
        return (
            float(self.days)
            if self.days is not None
            else float(min(180, max(7, round(1.6 * self.transactions ** (1 / 3)))))
        )

    @property
    def horizon_ms(self) -> int:
        """Length in milliseconds."""
        return round(self.horizon_days * 86_400_000)

    @property
    def customer_count(self) -> int:
        """Number of customers; derived so that one makes about 0.6 transactions a day."""
        derived = round(self.transactions / self.horizon_days / 0.6)
        return self.customers if self.customers is not None else max(MIN_CUSTOMERS, derived)

    @property
    def merchant_count(self) -> int:
        """Number of merchants; derived as about 0.4 a customer."""
        return self.merchants if self.merchants is not None else max(MIN_MERCHANTS, round(self.customer_count * 0.4))

    def _check_size(self) -> None:
        _require(
            _is_integer(self.transactions) and 1 <= self.transactions <= MAX_TRANSACTIONS,
            f"transactions is {self.transactions!r}",
            f"Give a whole number from 1 to {MAX_TRANSACTIONS}.",
        )
        _require(_is_integer(self.seed) and self.seed >= 0, f"seed is {self.seed!r}", "Give a whole number from 0.")
        for name, least in (("customers", MIN_CUSTOMERS), ("merchants", MIN_MERCHANTS)):
            value = getattr(self, name)
            ok = value is None or (_is_integer(value) and least <= value <= MAX_TRANSACTIONS)
            _require(ok, f"{name} is {value!r}", f"Give a whole number from {least}, or leave it out.")

    def _check_time(self) -> None:
        ok = isinstance(self.start, datetime) and self.start.utcoffset() == timedelta(0)
        _require(ok and 1970 <= self.start.year <= 2199, f"start is {self.start!r}", "Give a date and time in UTC.")
        ok = self.days is None or (_is_number(self.days) and 1 <= self.days <= MAX_DAYS)
        _require(ok, f"days is {self.days!r}", f"Give a number from 1 to {MAX_DAYS}, or leave it out.")

    def _check_rates(self) -> None:
        for name, most in (("fraud_rate", MAX_FRAUD_RATE), ("friendly_share", 1.0), ("unreported_share", 0.5)):
            value = getattr(self, name)
            ok = _is_number(value) and 0 <= value <= most
            _require(ok, f"{name} is {value!r}", f"Give a share from 0 to {most}.")
        ok = isinstance(self.currency, str) and len(self.currency) == 3 and self.currency.isascii()
        ok = ok and self.currency.isalpha() and self.currency.isupper()
        _require(ok, f"currency is {self.currency!r}", "Give a three-letter ISO 4217 code such as EUR.")
