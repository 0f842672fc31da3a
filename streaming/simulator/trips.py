"""Honest travel: who is away from home when, so that far-away purchases are not fraud by themselves."""

from dataclasses import dataclass

import numpy as np

from streaming.simulator.draws import Floats, Ints, RowChoice
from streaming.simulator.places import Places
from streaming.simulator.population import Population
from streaming.simulator.rhythm import DAY_MS, HOUR_MS

_TRIPS_PER_DAY = 1 / 55
_NEAR_KM = 500.0
_DAY_TRIP_SHARE = 0.4
_COMPANION_SHARE = 0.06  # trips during which somebody at home goes on using the card


@dataclass(frozen=True, slots=True)
class Trips:
    """Trips sorted by customer, then by start (milliseconds since the scenario's start)."""

    customer: Ints
    start: Ints
    end: Ints
    transit: Ints  # travelling time at either end
    city: Ints
    shared: Ints  # 1 where a companion uses the card at home meanwhile
    key: Ints  # customer and start in one increasing number
    span: int

    def find(self, customer: Ints, time: Ints) -> Ints:
        """Return the trip during which each (customer, time) falls, -1 where the customer is at home."""
        if self.customer.size == 0:
            return np.full(customer.size, -1)
        trip = np.searchsorted(self.key, customer * self.span + time, side="right") - 1
        candidate = np.maximum(trip, 0)
        away = (trip >= 0) & (self.customer[candidate] == customer) & (time < self.end[candidate])
        return np.where(away, candidate, -1)

    def in_transit(self, trip: Ints, time: Ints) -> Ints:
        """Return 1 where a traveller (``trip`` not -1) is on the way there or back, and can reach no terminal."""
        candidate = np.maximum(trip, 0)
        if self.customer.size == 0:
            return np.zeros(time.size, dtype=np.int64)
        early = time < self.start[candidate] + self.transit[candidate]
        late = time >= self.end[candidate] - self.transit[candidate]
        return ((trip >= 0) & (early | late)).astype(np.int64)


def build_trips(rng: np.random.Generator, places: Places, population: Population, horizon_ms: int) -> Trips:
    """Draw day trips to near cities and longer ones anywhere; the better-off travel more."""
    days = horizon_ms / DAY_MS
    count = rng.poisson(_TRIPS_PER_DAY * days * (population.income / 36_000) ** 0.5)
    customer = np.repeat(np.arange(len(population)), count)
    home = population.city[customer]
    city = _destinations(rng, places, home)
    distance = places.distance_km[home, city]
    transit = ((1.0 + np.minimum(distance / 550, 16)) * HOUR_MS).astype(np.int64)
    day_trip = (rng.random(customer.size) < _DAY_TRIP_SHARE) & (distance < _NEAR_KM)
    stay = np.where(day_trip, rng.uniform(5, 14, customer.size) / 24, 1 + rng.gamma(2.0, 2.0, customer.size))
    start = rng.integers(-5 * DAY_MS, horizon_ms, customer.size)
    end = start + 2 * transit + (stay * DAY_MS).astype(np.int64)
    span = 2 * horizon_ms + 10 * DAY_MS
    key = customer * span + start
    keep = np.argsort(key, kind="stable")
    keep = keep[city[keep] != home[keep]]
    shared = (rng.random(customer.size) < _COMPANION_SHARE).astype(np.int64)
    return Trips(customer[keep], start[keep], end[keep], transit[keep], city[keep], shared[keep], key[keep], span)


def _destinations(rng: np.random.Generator, places: Places, home: Ints) -> Ints:
    """Draw cities by weight, near ones three times as often."""
    weights: Floats = places.weight[None, :] * np.where(places.distance_km < _NEAR_KM, 3.0, 1.0)
    return RowChoice(weights).draw(rng, home)
