"""Merchants and how to find one: by city and category in person, by country and category online."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streaming.simulator import sectors
from streaming.simulator.places import Floats, Ints, Places, scatter

_ONLINE_SHARE = 0.30


@dataclass(frozen=True, slots=True)
class Directory:
    """Merchants as arrays with one entry a merchant, and an index to draw from by popularity.

    A group is (area, sector): areas are cities, then countries for online merchants. ``redirect`` names the group to
    use instead of one that has no merchant.
    """

    sector: Ints
    city: Ints  # -1 for online merchants
    country: Ints
    latitude: Floats  # NaN for online merchants
    longitude: Floats
    level: Floats  # price level, around 1
    cities: int
    order: Ints  # merchants sorted by group
    cumulative: Floats  # popularity, cumulated in that order, with a leading 0
    group_start: Ints  # (groups + 1): positions in ``order``
    redirect: Ints

    def __len__(self) -> int:
        return self.sector.size

    def pick(self, rng: np.random.Generator, group: Ints) -> Ints:
        """Draw one merchant a group, by popularity."""
        group = self.redirect[group]
        low, high = self.cumulative[self.group_start[group]], self.cumulative[self.group_start[group + 1]]
        position = np.searchsorted(self.cumulative, low + (high - low) * rng.random(group.size), side="right") - 1
        position = np.clip(position, self.group_start[group], self.group_start[group + 1] - 1)
        return self.order[position]

    def in_city(self, rng: np.random.Generator, city: Ints, sector: Ints) -> Ints:
        """Draw a merchant with a terminal in ``city``."""
        return self.pick(rng, city * sectors.COUNT + sector)

    def online(self, rng: np.random.Generator, country: Ints, sector: Ints) -> Ints:
        """Draw an online merchant of ``country``."""
        return self.pick(rng, (self.cities + country) * sectors.COUNT + sector)


def _redirects(size: NDArray[np.int64], cities: int, countries: int) -> Ints:
    """Point empty groups in a city at its groceries, and empty ones online at another country's same sector."""
    redirect = np.arange(size.size)
    by_area = size.reshape(cities + countries, sectors.COUNT)
    for area, sector in zip(*np.nonzero(by_area == 0), strict=True):
        target = area * sectors.COUNT + sectors.GROCERY
        if area >= cities:
            holders = np.flatnonzero(by_area[cities:, sector])
            nearest = holders[(area - cities) % holders.size] if holders.size else 0
            target = (cities + nearest) * sectors.COUNT + (sector if holders.size else sectors.GROCERY)
        redirect[area * sectors.COUNT + sector] = target
    return redirect


def _essential(places: Places) -> tuple[Ints, Ints, Ints]:
    """Return (sector, city, country) of merchants that must exist: groceries in each city, each online sector once."""
    online = np.append(np.flatnonzero(sectors.ONLINE), sectors.TRANSFER)
    sector = np.concatenate([np.full(len(places), sectors.GROCERY), online])
    city = np.concatenate([np.arange(len(places)), np.full(online.size, -1)])
    country = np.concatenate([places.country, np.arange(online.size) % len(places.countries)])
    return sector, city, country


def build_directory(rng: np.random.Generator, places: Places, merchants: int) -> Directory:
    """Draw ``merchants`` merchants in shuffled order, so that a merchant's number says nothing about it."""
    sector, city, country = _essential(places)
    rest = merchants - sector.size
    online = rng.random(rest) < _ONLINE_SHARE
    place = rng.choice(len(places), size=rest, p=places.weight)
    shop_sector = rng.choice(sectors.COUNT, size=rest, p=np.sqrt(sectors.SHOP) / np.sqrt(sectors.SHOP).sum())
    online_sector = rng.choice(sectors.COUNT, size=rest, p=np.sqrt(sectors.ONLINE) / np.sqrt(sectors.ONLINE).sum())
    shuffle = rng.permutation(merchants)
    sector = np.concatenate([sector, np.where(online, online_sector, shop_sector)])[shuffle]
    city = np.concatenate([city, np.where(online, -1, place)])[shuffle]
    country = np.concatenate([country, places.country[place]])[shuffle]
    latitude, longitude = scatter(rng, places, np.maximum(city, 0), 5.0)
    popularity = rng.pareto(1.3, merchants) + 0.3
    group = np.where(city >= 0, city, len(places) + country) * sectors.COUNT + sector
    order = np.argsort(group, kind="stable")
    size = np.bincount(group, minlength=(len(places) + len(places.countries)) * sectors.COUNT)
    return Directory(
        sector=sector,
        city=city,
        country=country,
        latitude=np.where(city >= 0, latitude, np.nan),
        longitude=np.where(city >= 0, longitude, np.nan),
        level=np.exp(rng.normal(0, 0.3, merchants)),
        cities=len(places),
        order=order,
        cumulative=np.concatenate([[0.0], popularity[order].cumsum()]),
        group_start=np.concatenate([[0], size.cumsum()]),
        redirect=_redirects(size, len(places), len(places.countries)),
    )
