"""Customers: households, homes, incomes, age bands, genders, cards and habits."""

from dataclasses import dataclass

import numpy as np

from streaming.simulator import sectors
from streaming.simulator.draws import RowChoice
from streaming.simulator.places import Floats, Ints, Places, scatter

AGE_BANDS = ("18-24", "25-34", "35-49", "50-64", "65+")
AGE_SHARE = (0.12, 0.19, 0.28, 0.23, 0.18)
GENDERS = ("female", "male", "other")
GENDER_SHARE = (0.50, 0.485, 0.015)
_YOUTH = np.array([1.0, 0.6, 0.0, -0.5, -1.0])  # per age band: how strongly age-tilted habits apply
_WOMEN = np.array([1.0, -1.0, 0.0])  # per gender
_MEDIAN_INCOME = np.array([19_000.0, 33_000.0, 42_000.0, 43_000.0, 27_000.0])  # a year, per age band
# Daily rhythms: worker, evening person, shift worker, at home by day; their shares per age band.
_RHYTHM_SHARE = np.array(
    [[0.40, 0.45, 0.13, 0.02], [0.62, 0.24, 0.12, 0.02], [0.72, 0.13, 0.10, 0.05], [0.66, 0.09, 0.08, 0.17],
     [0.06, 0.06, 0.02, 0.86]]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Population:
    """Customers as arrays with one entry a customer, unless said otherwise."""

    household: Ints
    city: Ints
    latitude: Floats
    longitude: Floats
    age_band: Ints
    gender: Ints
    income: Floats  # a year, major units
    spend: Floats  # factor on amounts, around 1
    activity: Floats  # relative number of transactions
    rhythm: Ints  # index of the daily rhythm
    online_share: Floats  # of transactions that are at a distance
    transfer_share: Floats  # of transactions that are transfers
    loyalty: Floats  # share of purchases at favourite merchants
    wallet_share: Floats  # of in-person payments made with a phone
    first_card: Ints
    card_count: Ints
    card_owner: Ints  # one entry a card: the customer
    shop_taste: RowChoice  # row: customer, column: sector, in person
    online_taste: RowChoice  # the same at a distance

    def __len__(self) -> int:
        return self.city.size


def _taste(rng: np.random.Generator, base: Floats, youth: Floats, women: Floats) -> RowChoice:
    """Return sector preferences: the base weights, tilted by age and gender, and personal taste."""
    tilt = np.exp(youth[:, None] * sectors.YOUNG + women[:, None] * sectors.WOMEN)
    return RowChoice(base * tilt * np.exp(rng.normal(0, 0.6, (youth.size, sectors.COUNT))))


def _households(rng: np.random.Generator, customers: int) -> Ints:
    """Return household numbers, in runs of one to four customers."""
    sizes = rng.choice(4, size=customers, p=(0.42, 0.33, 0.14, 0.11)) + 1
    return np.repeat(np.arange(customers), sizes)[:customers]


def build_population(rng: np.random.Generator, places: Places, customers: int) -> Population:
    """Draw ``customers`` customers. Age and gender shape habits; nothing here knows of fraud."""
    household = _households(rng, customers)
    home_city = rng.choice(len(places), size=customers, p=places.weight)
    home_lat, home_lon = scatter(rng, places, home_city, 7.0)
    age = rng.choice(len(AGE_BANDS), size=customers, p=AGE_SHARE)
    gender = rng.choice(len(GENDERS), size=customers, p=GENDER_SHARE)
    youth, women = _YOUTH[age], _WOMEN[gender]
    income = _MEDIAN_INCOME[age] * np.exp(rng.normal(0, 0.45, customers) - 0.07 * women)
    online = 1 / (1 + np.exp(-(-0.75 + 0.75 * youth + rng.normal(0, 0.6, customers))))
    card_count = rng.choice(3, size=customers, p=(0.70, 0.24, 0.06)) + 1
    return Population(
        household=household,
        city=home_city[household],
        latitude=home_lat[household],
        longitude=home_lon[household],
        age_band=age,
        gender=gender,
        income=np.round(income, -2),
        spend=(income / 36_000) ** 0.45 * np.exp(rng.normal(0, 0.2, customers)),
        activity=rng.gamma(2.2, 1.0, customers) * (income / 36_000) ** 0.2 + 0.05,
        rhythm=RowChoice(_RHYTHM_SHARE).draw(rng, age),
        online_share=np.clip(online, 0.02, 0.9),
        transfer_share=np.clip(0.035 * np.exp(0.5 * youth + rng.normal(0, 0.5, customers)), 0.0, 0.25),
        loyalty=np.clip(rng.normal(0.68, 0.12, customers) - 0.08 * youth, 0.25, 0.92),
        wallet_share=np.clip(0.28 + 0.26 * youth + rng.normal(0, 0.15, customers), 0.0, 0.9),
        first_card=card_count.cumsum() - card_count,
        card_count=card_count,
        card_owner=np.repeat(np.arange(customers), card_count),
        shop_taste=_taste(rng, sectors.SHOP, youth, women),
        online_taste=_taste(rng, sectors.ONLINE, youth, women),
    )
